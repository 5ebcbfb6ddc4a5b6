import { existsSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from './cli-process.ts'
import { DebianMachine } from './debian/machine.ts'
import { cacheDirectory, isReachable, isUbuntu, releaseOf } from './debian/release.ts'

/*
 * The two commands of README.md on machines with nothing: no Node.js, no npm, no curl, no certificates, no tor.
 */

const isRoot = process.geteuid?.() === 0
const UNREACHABLE = 'the packages of this release cannot be reached'
const releases = ['bookworm', 'trixie', 'jammy', 'noble']
const { checkout } = DebianMachine

describe.skipIf(!isRoot).each(releases)('a fresh %s (needs root, to make one)', (codename) => {
  let machine: DebianMachine | undefined

  beforeAll(async () => {
    machine = await freshMachine(codename)
    if (!machine) return
    await machine.useRegistryOfThisMachine()
    await machine.write('/etc/torrc-extra', 'DisableNetwork 1\n')
    const leftovers = ['node_modules', 'runtime/node_modules', 'dist', 'data'].map((name) => `${checkout}/${name}`)
    // The checkout below may get files meanwhile, such as the cache of this very test run.
    const remove = `for try in 1 2 3 4 5; do rm -rf ${leftovers.join(' ')} && exit; sleep 1; done; exit 1`
    await machine.succeeds(['sh', '-c', remove])
  }, 600_000)
  afterAll(async () => {
    await machine?.close()
  })

  it('scripts/run tells a user the one line that root has to run', async (context) => {
    if (!machine) return context.skip(UNREACHABLE)
    const command = ['setpriv', '--reuid=1000', '--clear-groups', `${checkout}/scripts/run`]
    expect(await machine.run(command)).toEqual({
      status: 1,
      stdout: '',
      stderr:
        'Missing: curl ca-certificates tor. Root installs it with: ' +
        'apt-get update && apt-get install --no-install-recommends -y curl ca-certificates tor\n',
    })
  })

  it('scripts/run of root gets everything, and a relay runs', async (context) => {
    if (!machine) return context.skip(UNREACHABLE)
    const port = await freePort()
    const script = `${checkout}/scripts/run relay.example --port ${port} --torrc-extra /etc/torrc-extra >/root/log 2>&1 & pid=$!
      until grep -q 'Listening on port' /root/log || ! kill -0 $pid; do sleep 0.2; done
      kill -INT $pid; wait $pid`
    const { status } = await machine.run(['bash', '-c', script])
    const log = await machine.succeeds(['cat', '/root/log'])
    expect(status, log).toBe(0)
    expect(log).toMatch(/^Installing curl ca-certificates tor …$/m)
    expect(log).toMatch(/^Server address: smp:\/\/.*@relay\.example,[a-z2-7]{56}\.onion:\d+$/m)
    expect(log).toContain(`Listening on port ${port}`)
    expect(await machine.executables()).not.toContainEqual(expect.stringMatching(/\/tor$/))
  }, 600_000)

  // Once is enough: what is installed, and how, is the same everywhere.
  if (codename !== 'trixie') return
  it('scripts/test of root does not take a Node.js that is too old', async (context) => {
    if (!machine) return context.skip(UNREACHABLE)
    await machine.succeeds(['apt-get', 'install', '-q', '-y', '--no-install-recommends', 'nodejs'])
    const old = await machine.succeeds(['node', '--version'])
    const major = Number(/^v(\d+)/.exec(old)?.[1])
    expect(major).toBeLessThan(22)
    await machine.succeeds(['rm', '-rf', `${checkout}/runtime/node_modules`, `${checkout}/node_modules`])
    const { status, stderr } = await machine.run([`${checkout}/scripts/test`, '--prepare'])
    expect(status, stderr).toBe(0)
    expect(await machine.succeeds([`${checkout}/runtime/node_modules/.bin/node`, '--version'])).toMatch(/^v24\./)
    await machine.succeeds(['test', '-x', `${checkout}/node_modules/.bin/vitest`])
  }, 600_000)
})

/** undefined where the packages cannot be reached; those of Debian always can. */
async function freshMachine(codename: string): Promise<DebianMachine | undefined> {
  const release = await releaseOf(codename)
  if (!(await isReachable(release))) {
    if (!isUbuntu(codename)) throw new Error(`the packages of ${codename} cannot be reached`)
    return undefined
  }
  return await DebianMachine.make([], codename, isUbuntu(codename) ? await ubuntuKeyring() : undefined)
}

/** Who signs the releases of Ubuntu, as Debian 13 knows it. @returns the file */
async function ubuntuKeyring(): Promise<string> {
  const file = join(await cacheDirectory(), 'ubuntu-archive-keyring.gpg')
  if (existsSync(file)) return file
  const trixie = await DebianMachine.make(['ubuntu-keyring'], 'trixie')
  try {
    const text = await trixie.succeeds(['base64', '/usr/share/keyrings/ubuntu-archive-keyring.gpg'])
    await writeFile(`${file}.new`, Buffer.from(text, 'base64'))
    await rename(`${file}.new`, file)
    return file
  } finally {
    await trixie.close()
  }
}
