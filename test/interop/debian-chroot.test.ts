import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildProgram, freePort } from './cli-process.ts'
import type { Outcome } from './debian/command.ts'
import { DebianMachine } from './debian/machine.ts'
import { torNetworkDown, torNetworkUp } from './debian/tor-network.ts'

/*
 * The relay on a fresh Debian or Ubuntu: installed, set up and run as README.md says, first without an init system, as
 * in a container, then under a systemd that runs there.
 */

const isRoot = process.geteuid?.() === 0

const install = `${DebianMachine.checkout}/scripts/install`
const configuration = '/etc/opt/simplex'
const state = '/var/opt/simplex'

/** From the guide to hosting an SMP server. */
const guideUnit = `[Unit]
Description=SMP server systemd service

[Service]
User=smp
Group=smp
Type=simple
ExecStart=/usr/local/bin/smp-server start +RTS -N -RTS
ExecStopPost=/usr/bin/env sh -c '[ -e "/var/opt/simplex/smp-server-store.log" ] && cp "/var/opt/simplex/smp-server-store.log" "/var/opt/simplex/smp-server-store.log.bak"'
LimitNOFILE=65535
KillSignal=SIGINT
TimeoutStopSec=infinity

[Install]
WantedBy=multi-user.target
`

/** As the scripts of current SMP servers install it. */
const currentUnit = `[Unit]
Description=SMP server

[Service]
User=smp
Group=smp
Type=simple
ExecStart=/usr/local/bin/smp-server start +RTS -N -RTS
ExecStopPost=/usr/local/bin/simplex-servers-stopscript smp-server
LimitNOFILE=65535
KillSignal=SIGINT
TimeoutStartSec=infinity
TimeoutStopSec=infinity
AmbientCapabilities=CAP_NET_BIND_SERVICE
Restart=on-failure
RestartSec=10s
StartLimitBurst=3
StartLimitInterval=60s

[Install]
WantedBy=multi-user.target
`

let machine: DebianMachine
let directory: string

describe.skipIf(!isRoot)('a fresh system (needs root, to make one)', () => {
  beforeAll(async () => {
    await buildProgram()
    directory = await mkdtemp(join(tmpdir(), 'smp-debian-test-'))
    machine = await DebianMachine.make(['ca-certificates', 'curl', 'gpg', 'systemd'])
    // The first test that installs fetches the runtime, unless another one has already.
    await machine.useRegistryOfThisMachine()
  }, 600_000)
  afterAll(async () => {
    await torNetworkDown(join(directory, 'network'))
    await machine.close()
    await rm(directory, { recursive: true, force: true })
  }, 60_000)

  describe('scripts/install', () => {
    it('refuses to be run by anybody but root', async () => {
      const result = await machine.run(['setpriv', '--reuid=1000', '--clear-groups', install])
      expectRefusal(result, /^Only root can install a service: run it with sudo\.$/m)
    })

    it('installs the program, the user, the directories and the unit', async () => {
      const { stderr } = await installed()
      expect(stderr).toMatch(
        /su smp -c "smp-server init -y -n .*"\n {2}smp-server tor setup .*\n {2}systemctl enable --now/,
      )
      expect(await passwd('smp')).toMatch(/^smp:x:\d+:\d+::\/var\/opt\/simplex:\/bin\/sh$/)
      expect(await stat(configuration, state)).toEqual(['smp smp 700', 'smp smp 700'])
      expect(await stat('/opt/smp-onion', '/opt/smp-onion/current/dist/cli/main.js')).toEqual([
        'root root 755',
        'root root 755',
      ])
      expect(await stat('/etc/systemd/system/smp-server.service')).toEqual(['root root 644'])
      const strange = ['find', '/opt/smp-onion', '!', '-user', 'root', '-o', '!', '-type', 'l', '-perm', '/022']
      expect(await machine.succeeds(strange)).toBe('')
      const development = await machine.run(['ls', '-d', '/opt/smp-onion/current/node_modules/vitest'])
      expect(development.status).not.toBe(0)
      expect((await machine.run(['which', 'node'])).status).toBe(1)
      const options = /^#!.* node (.*)$/m.exec(
        await machine.succeeds(['cat', '/opt/smp-onion/current/dist/cli/main.js']),
      )?.[1]
      expect(await machine.succeeds(['cat', '/opt/smp-onion/current/bin/smp-server'])).toContain(
        `/bin/node" ${options ?? '?'} "`,
      )
      expect((await machine.runAsSmp('smp-server --version')).stdout).toMatch(/^SMP server v/)
    }, 120_000)

    it('keeps what upstream left in its place, and an identity', async () => {
      const made = await machine.runAsSmp('smp-server init -y -n relay.example')
      expect(made.status).toBe(0)
      expect(await stat(`${configuration}/ca.key`, `${configuration}/smp-server.ini`)).toEqual([
        'smp smp 600',
        'smp smp 600',
      ])
      const before = await sums()
      await machine.succeeds(['rm', '/usr/local/bin/smp-server'])
      await machine.write('/usr/local/bin/smp-server', 'another program', '755')
      await machine.write('/etc/systemd/system/smp-server.service', guideUnit)
      await machine.succeeds(['chmod', '750', state])
      const { stderr } = await installed()
      expect(stderr).toContain('/usr/local/bin/smp-server was there already; it is /usr/local/bin/smp-server.before-')
      expect(stderr).toContain(`${configuration} holds a relay already; it stays as it is.`)
      expect(await machine.succeeds(['cat', '/etc/systemd/system/smp-server.service.before-smp-onion'])).toBe(guideUnit)
      expect(await stat(state)).toEqual(['smp smp 750'])
      expect(await sums()).toBe(before)
      await machine.succeeds(['chmod', '700', state])
    }, 120_000)

    it('has started nothing', async () => {
      expect(await machine.executables()).not.toContainEqual(expect.stringContaining('node'))
    })
  })

  describe('without an init system', () => {
    const setup = 'smp-server tor setup --own -y --torrc-extra /etc/torrc-extra'
    let port: number

    // Its network is still the machine's own, where other programs may have the default ports.
    beforeAll(async () => {
      port = await freePort()
      await listenOn(`${port}`, `${port}`)
    })
    afterAll(async () => {
      await listenOn('5223,443', '443')
    })

    const address = (): RegExp =>
      new RegExp(`^Server address: smp://.*@relay\\.example,[a-z2-7]{56}\\.onion:${port}$`, 'm')

    it('a tor instance of the system is refused, and nothing is changed', async () => {
      const before = await sums()
      const result = await machine.run(['smp-server', 'tor', 'setup', '--system', '-y'])
      expect(result.stdout).toContain(
        'This machine was not booted with systemd, so nothing would start a tor instance.',
      )
      expect(result.status).toBe(1)
      expect(await sums()).toBe(before)
      expect((await machine.run(['tor', '--version'])).status).not.toBe(0)
    })

    it("root gets the distribution's tor installed and the service set up for the relay's user, with an imported key", async () => {
      await machine.write('/etc/torrc-extra', 'DisableNetwork 1\n')
      const secret = createHash('sha512').update(randomBytes(32)).digest()
      secret.writeUInt8(secret.readUInt8(0) & 248, 0)
      secret.writeUInt8((secret.readUInt8(31) & 127) | 64, 31)
      await machine.write('/root/key', `ED25519-V3:${secret.toString('base64')}\n`, '600')
      const asRoot = await machine.run([...setup.split(' '), '--import-key', '/root/key'])
      expect(asRoot.stdout).toContain('tor is not installed; setup will install it.')
      expect(asRoot.stdout).toMatch(address())
      expect(asRoot.status).toBe(0)
      expect(await machine.succeeds(['tor', '--version'])).toMatch(/^Tor version 0\.4\./)
      const asSmp = await machine.runAsSmp(setup)
      expect(asSmp).toMatchObject({ status: 0, stderr: '' })
      expect(asSmp.stdout).toMatch(address())
      expect(asSmp.stdout).toContain('nothing was changed')
      expect(await stat(`${configuration}/onion.key`)).toEqual(['smp smp 600'])
    }, 300_000)
  })

  describe('under systemd', () => {
    beforeAll(async () => {
      await machine.boot()
    }, 60_000)

    it('the official repository is left alone when it cannot be reached, or its key is not the known one', async () => {
      const setup = ['smp-server', 'tor', 'setup', '--system', '-y', '--official-repo']
      const before = await sums()
      expectRefusal(
        await machine.run(setup),
        /^Error: curl failed: .*\nInstall tor manually, and run the command again\.$/m,
      )
      await serveWrongKey()
      const wrong = /The key at \S+ is not that of the Tor Project \(A3C4F0F979CAA22CDBA8F512EE8CBC9E886DDD89\)\./
      expectRefusal(await machine.run(setup), wrong)
      await machine.succeeds(['systemctl', 'stop', 'key-server'])
      const files = ['/etc/apt/sources.list.d/tor.list', '/usr/share/keyrings/tor-archive-keyring.gpg']
      for (const file of files) expect((await machine.run(['test', '-e', file])).status).toBe(1)
      expect(await sums()).toBe(before)
    }, 60_000)

    it('the relay runs with its own tor, on ports below 1024, and shut in', async () => {
      expect(await machine.succeeds(['systemd-analyze', 'verify', '/etc/systemd/system/smp-server.service'])).toBe('')
      await machine.succeeds(['systemctl', 'start', 'smp-server'])
      await journalShows('Listening on port 5223, 443')
      await journalShows('onion service: waiting for the network, which a line of its torrc switches off')
      expect(await properties('User', 'LimitNOFILE', 'KillSignal')).toEqual({
        User: 'smp',
        LimitNOFILE: '65535',
        KillSignal: '2',
      })
      const { MainPID: relay = '' } = await properties('MainPID')
      const children = (await machine.succeeds(['cat', `/proc/${relay}/task/${relay}/children`])).trim().split(' ')
      expect(children).toHaveLength(1)
      for (const pid of [relay, ...children]) {
        const status = await machine.succeeds(['cat', `/proc/${pid}/status`])
        expect(status).toMatch(/^NoNewPrivs:\t1$/m)
        expect(status).toMatch(/^Seccomp:\t2$/m)
        expect(status).toMatch(/^CapBnd:\t0000000000000400$/m)
        const mounts = await machine.succeeds(['cat', `/proc/${pid}/mountinfo`])
        expect(mounts).toMatch(/ \/ ro[, ]/)
        expect(mounts).toMatch(/ \/var\/opt\/simplex rw[, ]/)
      }
    }, 60_000)

    it('a stop is a success, and ends its tor, too', async () => {
      await machine.succeeds(['systemctl', 'restart', 'smp-server'])
      await journalShows('Listening on port 5223, 443', 2)
      await journalShows('onion service: waiting for the network, which a line of its torrc switches off', 2)
      await machine.succeeds(['systemctl', 'stop', 'smp-server'])
      expect(await properties('Result', 'ExecMainStatus', 'ActiveState', 'NRestarts')).toEqual({
        Result: 'success',
        ExecMainStatus: '0',
        ActiveState: 'inactive',
        NRestarts: '0',
      })
      await journalShows('Server stopped', 2)
      expect(await machine.executables()).not.toContain('/usr/bin/tor')
    }, 60_000)

    it('the unit of the guide works unchanged', async () => {
      await machine.write('/etc/systemd/system/smp-server.service', guideUnit)
      await machine.succeeds(['systemctl', 'daemon-reload'])
      await machine.succeeds(['systemctl', 'start', 'smp-server'])
      await journalShows('Listening on port 5223\n')
      await journalShows('this user may not use ports below 1024')
      await machine.succeeds(['systemctl', 'stop', 'smp-server'])
      await journalShows('Server stopped', 3)
      expect(await properties('ExecMainStatus', 'Result')).toEqual({ ExecMainStatus: '0', Result: 'success' })
      // What the unit copied after the stop says where the queues are.
      const copied = await machine.succeeds(['cat', `${state}/smp-server-store.log.bak`])
      expect(copied).toContain('smp-server-store beside this file')
      await machine.succeeds(['rm', `${state}/smp-server-store.log.bak`])
    }, 60_000)

    it('so does that of current SMP servers, whose stop script asks how the server ended', async () => {
      const stop = '#!/bin/sh\necho "$1 $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS"\n'
      await machine.write('/usr/local/bin/simplex-servers-stopscript', stop, '755')
      await machine.write('/etc/systemd/system/smp-server.service', currentUnit)
      await machine.succeeds(['systemctl', 'daemon-reload'])
      await machine.succeeds(['systemctl', 'start', 'smp-server'])
      await journalShows('Listening on port 5223, 443', 3)
      await machine.succeeds(['systemctl', 'stop', 'smp-server'])
      await journalShows('smp-server success exited 0')
      expect(await properties('Result')).toEqual({ Result: 'success' })
    }, 60_000)

    it('scripts/install --restart puts itself in the place of the program that runs', async () => {
      await machine.succeeds(['systemctl', 'start', 'smp-server'])
      const { MainPID: before } = await properties('MainPID')
      const { status, stderr } = await machine.run([install, '--restart'])
      expect(stderr).toMatch(/^Healthy: the relay answers on port 5223 /m)
      expect(status).toBe(0)
      expect(await properties('Type', 'ActiveState')).toEqual({ Type: 'notify', ActiveState: 'active' })
      expect((await properties('MainPID')).MainPID).not.toBe(before)
      await machine.succeeds(['systemctl', 'stop', 'smp-server'])
    }, 120_000)

    describe('with a tor instance of the system', () => {
      const setup = ['smp-server', 'tor', 'setup', '--system', '-y', '--torrc-extra', '/etc/torrc-extra']

      beforeAll(async () => {
        expect((await machine.run(['smp-server', 'tor', 'remove', '--delete-key', '-y'])).status).toBe(0)
        await machine.write('/etc/torrc-extra', await torNetworkUp(machine, join(directory, 'network')))
        await machine.succeeds(['systemctl', 'start', 'smp-server'])
        await journalShows('Listening on port 5223, 443', 6)
      }, 120_000)

      it('is published, and a relay that runs already is said to need a restart, because of its new group', async () => {
        const { status, stdout } = await machine.run(setup)
        expect(stdout).toContain('$ usermod -a -G _tor-smp smp\n')
        expect(stdout).toContain('Start tor@smp')
        expect(stdout).toContain('The onion service is published')
        const restart = 'Restart the relay, so that it gets the new group _tor-smp: systemctl restart smp-server'
        expect(stdout).toContain(restart)
        expect(status).toBe(0)
        expect(await machine.succeeds(['systemctl', 'is-enabled', 'tor@smp'])).toMatch(/^enabled/)
        expect(await stat(`${configuration}/onion.key`)).toEqual(['smp smp 600'])
        const again = await machine.run(setup)
        expect(again.stdout).toContain(restart)
        expect(again.stdout).toContain('Everything was already set up; nothing was changed.')
      }, 120_000)

      it('is looked after by the relay from then on, which loses nothing when tor is restarted', async () => {
        await machine.succeeds(['systemctl', 'restart', 'smp-server'])
        await journalShows('onion service: published')
        await machine.succeeds(['systemctl', 'restart', 'tor@smp'])
        await journalShows('onion service: published', 2)
        const status = await machine.runAsSmp('smp-server tor status')
        expect(status.stdout).toMatch(/^Onion service: healthy$/m)
        const again = await machine.run(setup)
        expect(again.stdout).not.toContain('Restart the relay')
      }, 120_000)

      it('goes with tor remove as if it had never been', async () => {
        expect((await machine.run(['smp-server', 'tor', 'remove', '--delete-key', '-y'])).status).toBe(0)
        expect((await machine.run(['systemctl', 'is-active', 'tor@smp'])).stdout).toBe('inactive\n')
        expect(await machine.succeeds(['id', '-nG', 'smp'])).toBe('smp\n')
        expect((await machine.run(['test', '-e', '/etc/tor/instances'])).status).toBe(1)
      }, 60_000)
    })

    it('uninstalling keeps the identity and the messages, and brings back what was there before', async () => {
      const before = await sums()
      const { stderr, status } = await machine.run([install, '--uninstall'])
      expect(stderr).toContain(`smp-server is uninstalled. ${configuration} and ${state} stay.`)
      expect(status).toBe(0)
      expect(await sums()).toBe(before)
      expect(await machine.succeeds(['cat', '/usr/local/bin/smp-server'])).toBe('another program')
      expect(await machine.succeeds(['cat', '/etc/systemd/system/smp-server.service'])).toBe(guideUnit)
      expect((await machine.run(['test', '-e', '/opt/smp-onion'])).status).toBe(1)
    }, 60_000)

    it('deletes everything only when that was asked for and agreed to', async () => {
      expectRefusal(await machine.run([install, '--purge']), /^Usage: /m)
      expectRefusal(await machine.run([install, '--uninstall', '--purge']), /Nothing was changed\./)
      expectRefusal(await machine.run([install, '--uninstall', '--purge'], 'y\n'), /Nothing was changed\./)
      expect(await passwd('smp')).toBeDefined()
      const { status } = await machine.run([install, '--uninstall', '--purge'], 'Y\n')
      expect(status).toBe(0)
      expect(await passwd('smp')).toBeUndefined()
      for (const path of [configuration, state]) expect((await machine.run(['test', '-e', path])).status).toBe(1)
    }, 60_000)
  })
})

async function installed(): Promise<Outcome> {
  const result = await machine.run([install])
  expect(result.status, result.stderr).toBe(0)
  return result
}

function expectRefusal({ status, stdout, stderr }: Outcome, words: RegExp): void {
  expect(stdout + stderr).toMatch(words)
  expect(status).toBe(1)
}

/** Sets the ports of the relay and of its pages. */
async function listenOn(port: string, https: string): Promise<void> {
  const edits = [`s/^port = .*/port = ${port}/`, `s/^https = .*/https = ${https}/`]
  const ini = `${configuration}/smp-server.ini`
  await machine.succeeds(['su', 'smp', '-c', `sed -i -e '${edits.join("' -e '")}' ${ini}`])
}

async function passwd(user: string): Promise<string | undefined> {
  const { status, stdout } = await machine.run(['getent', 'passwd', user])
  return status === 0 ? stdout.trim() : undefined
}

async function stat(...paths: string[]): Promise<string[]> {
  return (await machine.succeeds(['stat', '-L', '-c', '%U %G %a', ...paths])).trim().split('\n')
}

/** Of every file of the configuration. */
async function sums(): Promise<string> {
  return await machine.succeeds(['sh', '-c', `find ${configuration} /etc/tor -type f | sort | xargs sha256sum`])
}

async function properties(...names: string[]): Promise<Record<string, string>> {
  const shown = await machine.succeeds([
    'systemctl',
    'show',
    ...names.map((name) => `--property=${name}`),
    'smp-server',
  ])
  const result: Record<string, string> = {}
  for (const line of shown.trim().split('\n')) {
    const [name = '', value = ''] = line.split('=', 2)
    result[name] = value
  }
  return result
}

/** Makes the Tor Project's host this machine, with a certificate that is believed here, and another key on it. */
async function serveWrongKey(): Promise<void> {
  const openssl = 'openssl req -x509 -newkey ed25519 -nodes -keyout /root/key.pem -days 2 -subj /CN=deb.torproject.org'
  const certificate = '/usr/local/share/ca-certificates/test.crt'
  await machine.succeeds([
    ...openssl.split(' '),
    '-addext',
    'subjectAltName=DNS:deb.torproject.org',
    '-out',
    certificate,
  ])
  await machine.succeeds(['update-ca-certificates'])
  await machine.succeeds(['sh', '-c', 'cat /usr/share/keyrings/*-archive-keyring.gpg | gpg --enarmor >/root/key.asc'])
  await machine.write('/etc/hosts', '127.0.0.1 localhost deb.torproject.org\n')
  const serve = `import { readFileSync } from 'node:fs'; import { createServer } from 'node:https'
    const key = readFileSync('/root/key.pem'), cert = readFileSync('${certificate}')
    createServer({ key, cert }, (_, response) => response.end(readFileSync('/root/key.asc'))).listen(443, '127.0.0.1')`
  await machine.write('/root/serve.mjs', serve)
  const node = '/opt/smp-onion/current/node/bin/node'
  await machine.succeeds(['systemd-run', '--quiet', '--unit=key-server', node, '/root/serve.mjs'])
  const fetched = [
    'curl',
    '-sSf',
    '--retry',
    '50',
    '--retry-delay',
    '1',
    '--retry-connrefused',
    'https://deb.torproject.org',
  ]
  expect(await machine.succeeds(fetched)).toContain('BEGIN PGP')
}

/** Waits until the journal of the relay has some words so many times at least. */
async function journalShows(words: string, times = 1): Promise<void> {
  const journal = async (): Promise<number> =>
    (await machine.succeeds(['journalctl', '-u', 'smp-server', '-o', 'cat'])).split(words).length - 1
  const givenUpAt = Date.now() + 30_000
  while ((await journal()) < times) {
    if (Date.now() > givenUpAt) throw new Error(`the journal does not show: ${words}`)
    await sleep(200)
  }
}
