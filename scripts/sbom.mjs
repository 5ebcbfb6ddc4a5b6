// sbom.mjs DIRECTORY ARCH NODE_VERSION FILE: what is in the package, as CycloneDX, from the modules that npm installed in
// the directory, and Node.js. The same modules give the same bytes.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'

const [directory, architecture, nodeVersion, file] = process.argv.slice(2)
const sbom = JSON.parse(
  execFileSync('npm', ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--omit=dev'], {
    cwd: directory,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  }),
)
sbom.components.unshift({
  'bom-ref': `node@${nodeVersion}`,
  type: 'platform',
  name: 'node',
  version: nodeVersion,
  purl: `pkg:generic/node@${nodeVersion}?arch=${architecture}&os=linux`,
  licenses: [{ license: { id: 'MIT' } }],
})
sbom.metadata.timestamp = new Date(Number(process.env.SOURCE_DATE_EPOCH) * 1000).toISOString()
delete sbom.serialNumber
const digest = createHash('sha256').update(JSON.stringify(sbom)).digest('hex')
const uuid = [
  digest.slice(0, 8),
  digest.slice(8, 12),
  `5${digest.slice(13, 16)}`,
  `8${digest.slice(17, 20)}`,
  digest.slice(20, 32),
]
sbom.serialNumber = `urn:uuid:${uuid.join('-')}`
writeFileSync(file, `${JSON.stringify(sbom, null, 2)}\n`)
