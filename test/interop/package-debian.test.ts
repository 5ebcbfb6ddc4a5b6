import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeOnionKey, generateOnionKey } from '../../src/crypto/onion-key.ts'
import { succeed, type Outcome } from './debian/command.ts'
import { DebianMachine } from './debian/machine.ts'
import { torNetworkDown, torNetworkUp } from './debian/tor-network.ts'
import { architecture, buildPackages, builtPackages, debianVersion, debOfVersion, packageVersion } from './packages.ts'

/*
 * The Debian package in the life of a machine: from a signed repository, over upgrade, rollback and downgrade with a
 * relay that runs, to removal and purge.
 */

const isRoot = process.geteuid?.() === 0

const EARLIER = '0.0.9'
const configuration = '/etc/opt/simplex'
const state = '/var/opt/simplex'
const unit = '/etc/systemd/system/smp-server.service'
/** What a cloud server has, and what packaging/cloud/setup.sh would fetch. */
const forTheCloud = ['cloud-init', 'ca-certificates', 'curl', 'iproute2', 'tor']
const foreignUnit = '[Service]\nExecStart=/usr/local/bin/smp-server start\n'

let machine: DebianMachine
let directory: string
let identity: string

describe.skipIf(!isRoot)('the Debian package (needs root, to make a system)', () => {
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'smp-deb-'))
    const repository = join(directory, 'repository')
    const output = join(directory, 'output')
    const keys = join(directory, 'gpg')
    await mkdir(keys, { mode: 0o700 })
    process.env.GNUPGHOME = keys
    const key = 'publisher@relay.example'
    await succeed('gpg', ['--batch', '--passphrase', '', '--quick-gen-key', key, 'default', 'sign', 'never'])
    const nameFor = (arch: string): string => `smp-onion_${packageVersion}_${arch}.deb`
    await mkdir(output)
    const built = await builtPackages()
    await succeed('cp', [...['amd64', 'arm64'].map((arch) => join(built, nameFor(arch))), output])
    const url = ['--url', 'file:///repository/pool']
    const publish = ['--built', '--output', output, '--repository', repository, '--key', key, ...url]
    await buildPackages(output, ...publish)
    // A later publication goes into the same repository.
    await debOfVersion(join(output, nameFor(architecture)), EARLIER, output)
    await buildPackages(output, ...publish)
    await succeed('gpgconf', ['--kill', 'all'])
    await succeed('gpg', ['--verify', join(output, 'SHA256SUMS.asc'), join(output, 'SHA256SUMS')])
    machine = await DebianMachine.make(['adduser', 'systemd', ...forTheCloud])
    // It goes to work in the last test only.
    await machine.write('/etc/cloud/cloud-init.disabled', '')
    await machine.succeeds(['systemctl', 'disable', 'tor'])
    await machine.write(
      '/user-data',
      await readFile(join(output, `smp-onion-${packageVersion}-cloud-init.yaml`), 'utf8'),
    )
    await machine.bind(repository, '/repository')
    await machine.succeeds(['cp', '/repository/smp-onion.gpg', '/usr/share/keyrings/smp-onion.gpg'])
    const signed = '[signed-by=/usr/share/keyrings/smp-onion.gpg]'
    await machine.write('/etc/apt/sources.list', `deb ${signed} file:/repository stable main\n`)
    await machine.succeeds(['rm', '/usr/sbin/policy-rc.d'])
    await machine.boot()
    await machine.succeeds(['apt-get', 'update', '-q'])
  }, 600_000)
  afterAll(async () => {
    await torNetworkDown(join(directory, 'network'))
    await machine.close()
    await rm(directory, { recursive: true, force: true })
  }, 60_000)

  it('puts aside what another installer left, makes the user and the directories, and starts nothing', async () => {
    await machine.write('/usr/local/bin/smp-server', 'another program', '755')
    await machine.write(unit, foreignUnit)
    const { stdout, stderr } = await install(EARLIER)
    expect(stdout + stderr).toContain('su smp -c "smp-server init -y -n my.host.example"')
    expect(await machine.succeeds(['stat', '-c', '%U %a', configuration, state])).toBe('smp 700\nsmp 700\n')
    expect(await machine.succeeds(['cat', `${unit}.before-smp-onion`])).toBe(foreignUnit)
    expect(await machine.succeeds(['smp-server', '--version'])).toMatch(/^SMP server v0\.0\.9 \//)
    expect((await machine.run(['systemctl', 'is-active', 'smp-server'])).stdout).toBe('inactive\n')
    const shown = await machine.succeeds(['systemctl', 'show', '--property=FragmentPath', '--value', 'smp-server'])
    expect(shown).toMatch(/^(\/usr)?\/lib\/systemd\/system\/smp-server\.service$/m)
    const verify = ['systemd-analyze', 'verify', '/usr/lib/systemd/system/smp-server.service']
    expect(await machine.succeeds(verify)).toBe('')
    // In tenths.
    await machine.succeeds(['systemd-analyze', 'security', '--no-pager', '--threshold=18', 'smp-server'])
  }, 120_000)

  it('runs a relay that systemd knows to be ready, and reloads', async () => {
    const init = await machine.runAsSmp('smp-server init -y -n relay.example --disable-web')
    expect(init.status, init.stderr).toBe(0)
    await machine.succeeds(['systemctl', 'enable', '--now', 'smp-server'])
    expect(await machine.succeeds(['smp-server', 'health'])).toMatch(/^Healthy: the relay answers on port 5223 /)
    const properties = ['--property=Type', '--property=WatchdogUSec', '--property=NRestarts']
    expect((await machine.succeeds(['systemctl', 'show', ...properties, 'smp-server'])).split('\n')).toEqual(
      expect.arrayContaining(['Type=notify', 'WatchdogUSec=2min', 'NRestarts=0']),
    )
    await machine.succeeds([
      'sed',
      '-i',
      's/^expire_messages_days.*/expire_messages_days: 7/',
      `${configuration}/smp-server.ini`,
    ])
    await machine.succeeds(['systemctl', 'reload', 'smp-server'])
    await journalShows('Applied: \\[STORE_LOG\\] expire_messages_days')
    identity = await sums()
  }, 60_000)

  it('an upgrade that finds no room changes nothing, and the relay runs on', async () => {
    const before = await pid()
    await machine.succeeds(['sh', '-c', 'fallocate -l $(($(df --output=avail -B1 / | tail -1) - 40000000)) /fill'])
    const upgrade = await machine.run(['apt-get', 'install', '-q', '-y', `smp-onion=${debianVersion}`])
    expect(upgrade.stdout + upgrade.stderr).toContain('No space left on device')
    expect(upgrade.status).not.toBe(0)
    await machine.succeeds(['rm', '/fill'])
    expect(await pid()).toBe(before)
    expect(await machine.succeeds(['smp-server', 'health'])).toMatch(/^Healthy: /)
    expect(await machine.succeeds(['smp-server', '--version'])).toMatch(/^SMP server v0\.0\.9 \/ .*\n$/)
    expect(await machine.succeeds(['dpkg-query', '-W', '-f', '${Status} ${Version}', 'smp-onion'])).toBe(
      'install ok installed 0.0.9',
    )
    expect(await machine.succeeds(['ls', '-A', '/usr/lib/smp-onion'])).toBe('0.0.9\ncurrent\n')
  }, 120_000)

  it('an upgrade leaves the running relay and its data alone, and restarts nothing', async () => {
    const before = await pid()
    const { stdout, stderr } = await install(debianVersion)
    expect(stdout + stderr).toContain('The running server is still the earlier program.')
    expect(await pid()).toBe(before)
    expect(await sums()).toBe(identity)
    await loadsMoreOfItself()
    expect(await machine.succeeds(['smp-server', '--version'])).toMatch(
      new RegExp(
        `^SMP server v${packageVersion} / .*\nPrevious version: v0\\.0\\.9 \\(smp-server update --rollback\\)\n$`,
      ),
    )
  }, 120_000)

  it('a restart that was asked for is checked', async () => {
    const { status, stdout } = await machine.run(['smp-server', 'update', '--restart'])
    expect(stdout).toMatch(/^Healthy: /m)
    expect(status).toBe(0)
    expect(await runningVersion()).toContain(`/${packageVersion}/`)
  }, 60_000)

  it('the way back and forth is one command', async () => {
    const back = await machine.run(['smp-server', 'update', '--rollback', '--restart'])
    expect(back.stdout).toContain('smp-server is version 0.0.9 again')
    expect(back.status).toBe(0)
    expect(await runningVersion()).toContain('/0.0.9/')
    expect((await machine.run(['smp-server', 'update', '--rollback', '--restart'])).status).toBe(0)
    expect(await runningVersion()).toContain(`/${packageVersion}/`)
  }, 60_000)

  it('a version that does not come up makes way for the one before it', async () => {
    const main = `/usr/lib/smp-onion/${packageVersion}/dist/server/relay.js`
    await machine.succeeds(['mv', main, `${main}.aside`])
    const { status, stdout } = await machine.run(['smp-server', 'update', '--restart'])
    expect(stdout).toContain('did not come up within 30 s; 0.0.9 is back. Healthy:')
    expect(status).toBe(1)
    await machine.succeeds(['mv', `${main}.aside`, main])
    expect((await machine.run(['smp-server', 'update', '--rollback', '--restart'])).status).toBe(0)
  }, 120_000)

  it('a downgrade by apt works, too', async () => {
    await install(EARLIER)
    expect(await machine.succeeds(['smp-server', '--version'])).toMatch(/^SMP server v0\.0\.9 \//)
    expect((await machine.run(['smp-server', 'update', '--restart'])).status).toBe(0)
    expect(await runningVersion()).toContain('/0.0.9/')
    expect(await sums()).toBe(identity)
    await install(debianVersion)
  }, 120_000)

  it('removal stops the relay, leaves its data, and gives back what was there', async () => {
    await machine.succeeds(['apt-get', 'remove', '-q', '-y', 'smp-onion'])
    expect((await machine.run(['pgrep', '-f', 'smp-onion'])).stdout).toBe('')
    expect((await machine.run(['test', '-e', '/usr/lib/smp-onion'])).status).toBe(1)
    expect(await machine.succeeds(['cat', unit])).toBe(foreignUnit)
    expect(await machine.succeeds(['cat', '/usr/local/bin/smp-server'])).toBe('another program')
    expect(await sums()).toBe(identity)
    await install(debianVersion)
    await machine.succeeds(['systemctl', 'restart', 'smp-server'])
    expect(await machine.succeeds(['smp-server', 'health'])).toMatch(/^Healthy: /)
  }, 120_000)

  it('a purge keeps the identity unless its deletion was agreed to', async () => {
    const kept = await machine.run(['apt-get', 'purge', '-q', '-y', 'smp-onion'])
    expect(kept.stdout + kept.stderr).toContain(`${configuration} and ${state} stay`)
    expect(await sums()).toBe(identity)
    await install(debianVersion)
    await machine.succeeds(['apt-get', 'install', '-q', '-y', 'debconf'])
    const answer = 'echo smp-onion smp-onion/delete-data boolean true | debconf-set-selections'
    await machine.succeeds(['sh', '-c', answer])
    expect((await machine.run(['apt-get', 'purge', '-q', '-y', 'smp-onion'])).status).toBe(0)
    for (const path of [configuration, state]) expect((await machine.run(['test', '-e', path])).status).toBe(1)
    expect((await machine.run(['getent', 'passwd', 'smp'])).status).not.toBe(0)
  }, 120_000)

  it('on a cloud server the user data of a release make a relay at the first boot', async () => {
    expect(await machine.succeeds(['cloud-init', 'schema', '--config-file', '/user-data'])).toContain('Valid')
    await machine.succeeds(['rm', '/etc/cloud/cloud-init.disabled'])
    const place = '/var/lib/cloud/seed/nocloud'
    await machine.succeeds(['install', '-D', '/user-data', `${place}/user-data`])
    await machine.write(`${place}/meta-data`, 'instance-id: i-1\n')
    await machine.write('/root/torrc-extra', await torNetworkUp(machine, join(directory, 'network')))
    const settings = 's|^      HOST=$|      HOST=relay.example\\n      TORRC_EXTRA=/root/torrc-extra|'
    await machine.succeeds(['sed', '-i', settings, `${place}/user-data`])
    // Of what cloud-init does, the part that user data ask for: this machine is no image of a cloud.
    const modules = ['cloud_init_modules: [write-files]', 'cloud_config_modules: [runcmd]']
    const sources = ['datasource_list: [NoCloud]', 'network: {config: disabled}']
    const lines = [...modules, 'cloud_final_modules: [scripts-user]', ...sources, '']
    await machine.write('/etc/cloud/cloud.cfg.d/99-test.cfg', lines.join('\n'))
    const stages = ['init --local', 'init', 'modules --mode=config', 'modules --mode=final']
    const { stdout, stderr } = await machine.run(['sh', '-c', stages.map((stage) => `cloud-init ${stage}`).join('; ')])
    const log = `${stdout}${stderr}${await machine.succeeds(['cat', '/var/log/cloud-init-output.log'])}`
    expect(log).toMatch(/^Healthy: /m)
    expect(log).toMatch(/^The address of this relay, .*:\nsmp:\/\/.*@relay\.example,[a-z2-7]{56}\.onion$/m)
    expect(await machine.succeeds(['systemctl', 'is-enabled', 'smp-server'])).toBe('enabled\n')
  }, 180_000)
})

async function install(version: string): Promise<Outcome> {
  const options = ['-q', '-y', '--no-install-recommends', '--allow-downgrades']
  const result = await machine.run(['apt-get', 'install', ...options, `smp-onion=${version}`])
  expect(result.status, result.stdout + result.stderr).toBe(0)
  return result
}

async function pid(): Promise<string> {
  return (await machine.succeeds(['systemctl', 'show', '--property=MainPID', '--value', 'smp-server'])).trim()
}

async function runningVersion(): Promise<string> {
  return await machine.succeeds(['readlink', `/proc/${await pid()}/exe`])
}

/** Makes the running relay load a module that it had no use for so far: with an onion key, the one that reads it. */
async function loadsMoreOfItself(): Promise<void> {
  const [key, ini] = [`${configuration}/onion.key`, `${configuration}/smp-server.ini`]
  await machine.write('/root/onion.key.base64', encodeOnionKey(generateOnionKey()).toString('base64'))
  await machine.succeeds(['install', '-o', 'smp', '-g', 'smp', '-m', '600', '/dev/null', key])
  await machine.succeeds(['sh', '-c', `base64 -d /root/onion.key.base64 >${key}; cp -p ${ini} ${ini}.before`])
  const edit = ['-e', 's|^# mode = own|mode = system|', '-e', 's|^# control = .*|control = /nowhere/control|']
  await machine.succeeds(['sed', '-i', ...edit, ini])
  await journalShows('onion service: waiting for tor: .*')
  const journal = await machine.succeeds(['journalctl', '-u', 'smp-server', '-o', 'cat'])
  expect(journal).toContain('No tor answers at /nowhere/control')
  expect(journal).not.toContain('Cannot find module')
  await machine.succeeds(['mv', `${ini}.before`, ini])
  await machine.succeeds(['rm', key])
}

/** Of every file of the identity. */
async function sums(): Promise<string> {
  return await machine.succeeds(['sh', '-c', `find ${configuration} -type f | sort | xargs sha256sum`])
}

async function journalShows(...words: readonly string[]): Promise<void> {
  await expect
    .poll(async () => await machine.succeeds(['journalctl', '-u', 'smp-server', '-o', 'cat']), { timeout: 20_000 })
    .toMatch(new RegExp(words.join('|')))
}
