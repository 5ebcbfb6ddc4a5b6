import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { outcome, succeed } from './debian/command.ts'
import { freePort } from './cli-process.ts'
import { architecture, buildPackages, builtPackages, halfOf, packageVersion, tarOfVersion } from './packages.ts'

/* The published files: that they are whole, the same twice, small, and that the tar file and the npm package run. */

let directory: string
let output: string
const files = (): Promise<string[]> => readdir(output)
const tarFile = (arch = architecture): string => join(output, `smp-onion-${packageVersion}-linux-${arch}.tar.gz`)
const debFile = (arch = architecture): string => join(output, `smp-onion_${packageVersion}_${arch}.deb`)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-package-'))
  await chmod(directory, 0o755)
  output = await builtPackages()
}, 600_000)
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
}, 60_000)

describe('scripts/package', () => {
  it('makes packages of both architectures, with checksums that hold', async () => {
    const both = ['amd64', 'arm64']
    expect((await files()).toSorted()).toEqual(
      [
        'SHA256SUMS',
        `smp-onion-${packageVersion}.tgz`,
        `smp-onion-${packageVersion}-cloud-init.yaml`,
        `smp-onion-${packageVersion}-setup.sh`,
        ...both.map((arch) => `smp-onion-${packageVersion}-linux-${arch}.cdx.json`),
        ...both.map((arch) => `smp-onion-${packageVersion}-linux-${arch}.tar.gz`),
        ...both.map((arch) => `smp-onion_${packageVersion}_${arch}.deb`),
      ].toSorted(),
    )
    await succeed('sh', ['-c', 'cd "$0" && sha256sum --check --strict --quiet SHA256SUMS', output])
  })

  it('makes the same bytes again', async () => {
    const again = join(directory, 'again')
    await buildPackages(again, '--arch', architecture)
    for (const name of await readdir(again)) {
      if (name === 'SHA256SUMS') continue
      const [first, second] = await Promise.all(
        [output, again].map((place) => succeed('sha256sum', [join(place, name)])),
      )
      expect(second?.split(' ')[0], name).toBe(first?.split(' ')[0])
    }
    await rm(again, { recursive: true })
  }, 300_000)

  it.each([
    ['amd64', 62, 'x64'],
    ['arm64', 183, 'arm64'],
  ])('puts binaries for %s into its packages, and at most 60 MB beside Node.js', async (arch, machine, cpu) => {
    const place = join(directory, `contents-${arch}`)
    await mkdir(place)
    await succeed('tar', ['-xzf', tarFile(arch), '-C', place])
    const names = await readdir(place, { recursive: true })
    const binaries = names.filter((name) => name.endsWith('.node') || name.endsWith('node/bin/node'))
    expect(binaries.length).toBeGreaterThanOrEqual(3)
    for (const name of binaries) {
      const head = (await readFile(join(place, name))).subarray(0, 20)
      expect([head.toString('latin1', 1, 4), head.readUInt16LE(18)], name).toEqual(['ELF', machine])
    }
    expect(names.filter((name) => /\.map$|\/typescript\/|\.(cc|cpp|h)$/.test(name))).toEqual([])
    const beside = await succeed('du', ['-sm', '--exclude=node/bin/node', join(place, 'smp-onion')])
    expect(Number(beside.split('\t')[0])).toBeLessThanOrEqual(60)
    const sbom = await readFile(join(output, `smp-onion-${packageVersion}-linux-${arch}.cdx.json`), 'utf8')
    const { bomFormat, components } = JSON.parse(sbom) as { bomFormat: string; components: { name: string }[] }
    expect(bomFormat).toBe('CycloneDX')
    const listed = components.map(({ name }) => name)
    expect(listed).toEqual(expect.arrayContaining(['node', 'lmdb', `@lmdb/lmdb-linux-${cpu}`, 'commander']))
    expect(listed).not.toContain('vitest')
    await rm(place, { recursive: true })
  })

  it('makes Debian packages that lintian finds nothing wrong with', async () => {
    expect(await succeed('lintian', ['--allow-root', '--fail-on=none', debFile()])).toBe('')
  }, 120_000)
})

describe('the tar file, in a directory of an ordinary user without Node.js', () => {
  let home: string
  const user = { uid: 1000, gid: 1000 }

  /** As that user, without anything of the tests in its environment. */
  async function run(...words: readonly string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
    const paths = [`SMP_SERVER_CFG_PATH=${home}/etc`, `SMP_SERVER_LOG_PATH=${home}/var`]
    const as =
      process.geteuid?.() === 0 ? ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'] : []
    return await outcome('env', [
      '-i',
      'PATH=/usr/bin:/bin',
      'COLUMNS=10000',
      `HOME=${home}`,
      ...paths,
      ...as,
      ...words,
    ])
  }
  const smpServer = (...args: readonly string[]): ReturnType<typeof run> => run(`${home}/smp-onion/smp-server`, ...args)

  beforeAll(async () => {
    home = join(directory, 'home')
    await mkdir(home)
    if (process.geteuid?.() === 0) await succeed('chown', [`${user.uid}:${user.gid}`, home])
    const unpacked = await run('tar', '-xzf', tarFile(), '-C', home)
    expect(unpacked.status, unpacked.stderr).toBe(0)
  })

  it('runs a relay, whose health is asked', async () => {
    expect((await smpServer('init', '-y', '-n', '127.0.0.1', '--disable-web')).status).toBe(0)
    const port = await freePort()
    await run('sed', '-i', `s/^port = .*/port = ${port}/`, `${home}/etc/smp-server.ini`)
    const ill = await smpServer('health')
    expect(ill.status).toBe(1)
    expect(ill.stdout).toMatch(/^Not healthy: Nothing accepts connections at 127\.0\.0\.1 port \d+.*\n$/)
    const script = `"$0" start >${home}/log 2>&1 & pid=$!
      for i in $(seq 100); do "$0" health && break; sleep 0.1; done
      kill -INT $pid; wait $pid`
    const { status, stdout } = await run('bash', '-c', script, `${home}/smp-onion/smp-server`)
    expect(stdout).toMatch(/^Healthy: the relay answers on port \d+ in [\d.]+ ms\.$/m)
    expect(status, await readFile(`${home}/log`, 'utf8')).toBe(0)
  }, 60_000)

  it('has no version to go back to', async () => {
    const result = await smpServer('update', '--rollback')
    expect(result.stdout).toContain(`There is no earlier version in ${home}/smp-onion.`)
    expect(result.status).toBe(1)
  })

  it('changes nothing when the disk is full, and says so (needs root, to mount a small disk)', async (context) => {
    context.skip(process.geteuid?.() !== 0, 'needs root, to mount a small disk')
    const disk = join(directory, 'disk')
    await mkdir(disk)
    const size = Number((await succeed('du', ['-sm', `${home}/smp-onion`])).split('\t')[0]) + 40
    const script = `mount -t tmpfs -o size=${size}m tmpfs "$0"; cp -a "$1" "$0"
      "$0/smp-onion/smp-server" update "$2" || echo "status $?"
      ls -A "$0/smp-onion"; "$0/smp-onion/smp-server" --version`
    const other = tarFile(architecture === 'amd64' ? 'arm64' : 'amd64')
    const words = ['--mount', 'sh', '-euc', script, disk, `${home}/smp-onion`, other]
    const { stdout } = await outcome('env', ['COLUMNS=10000', 'unshare', ...words])
    expect(stdout).toContain(`The disk with ${disk}/smp-onion is full. Nothing was changed.`)
    expect(stdout).toContain(`\nstatus 1\n${packageVersion}\ncurrent\nsmp-server\nSMP server v${packageVersion} / `)
  }, 60_000)

  it('changes to a later version and back, and names both', async () => {
    const later = await tarOfVersion(tarFile(), '99.0.0', directory)
    const updated = await smpServer('update', later)
    expect(updated.stdout).toContain(`smp-server is version 99.0.0 now; ${packageVersion} stays`)
    expect((await smpServer('--version')).stdout).toMatch(
      new RegExp(
        `^SMP server v99\\.0\\.0 / .*\\nPrevious version: v${packageVersion} \\(smp-server update --rollback\\)\\n$`,
      ),
    )
    expect((await smpServer('update', '--rollback')).stdout).toContain(`smp-server is version ${packageVersion} again`)
    expect((await smpServer('--version')).stdout).toMatch(
      new RegExp(`^SMP server v${packageVersion} / .*\\nPrevious version: v99\\.0\\.0 `),
    )
    await rm(later)
  }, 60_000)

  it('refuses what is damaged, for another machine or the same, and keeps what it has', async () => {
    const before = await readdir(`${home}/smp-onion`)
    const half = join(directory, 'half.tar.gz')
    await halfOf(tarFile(), half)
    const foreign = tarFile(architecture === 'amd64' ? 'arm64' : 'amd64')
    const wrong = join(directory, 'wrong-sum')
    await mkdir(wrong)
    await succeed('cp', [tarFile(), wrong])
    const name = tarFile().split('/').at(-1) ?? ''
    await writeFile(join(wrong, 'SHA256SUMS'), `${'0'.repeat(64)}  ${name}\n`)
    for (const [file, words] of [
      [half, /half\.tar\.gz cannot be used: .*\. Nothing was changed\./],
      [foreign, /is for (arm64|x64); this machine is (x64|arm64)\./],
      [join(wrong, name), /its checksum is not the one in SHA256SUMS\. Nothing was changed\./],
      [tarFile(), /is version .*, which is what runs already\./],
      [join(directory, 'nowhere.tar.gz'), /nowhere\.tar\.gz/],
    ] as const) {
      const result = await smpServer('update', file)
      expect(result.stdout).toMatch(words)
      expect(result.status).toBe(1)
    }
    expect(await readdir(`${home}/smp-onion`)).toEqual(before)
  }, 60_000)
})

describe('the npm package', () => {
  it('is complete: it runs where nothing else is installed', async () => {
    const project = join(directory, 'project')
    await mkdir(project)
    await writeFile(join(project, 'package.json'), '{}')
    const tgz = join(output, `smp-onion-${packageVersion}.tgz`)
    await succeed('npm', ['install', '--prefix', project, '--no-audit', '--no-fund', '--loglevel=error', tgz])
    const version = await succeed('npx', ['--prefix', project, '--no-install', 'smp-server', '--version'])
    expect(version).toMatch(new RegExp(`^SMP server v${packageVersion} / `))
    const environment = [`SMP_SERVER_CFG_PATH=${project}/etc`, `SMP_SERVER_LOG_PATH=${project}/var`]
    const init = [join(project, 'node_modules/.bin/smp-server'), 'init', '-y', '-n', 'relay.example']
    expect(await succeed('env', [...environment, ...init])).toContain('smp://')
  }, 120_000)
})
