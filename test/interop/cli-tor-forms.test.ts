import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { whoListens } from '../../src/tor/process/socks-probe.ts'
import { buildProgram, freePort, Installation } from './cli-process.ts'
import { tree } from './tree.ts'

/*
 * The options of `tor setup` on the command line, with a real tor whose network is off.
 */

beforeAll(buildProgram)

let relay: Installation
let extra: string
beforeEach(async () => {
  relay = new Installation()
  extra = join(relay.root, 'torrc-extra')
  writeFileSync(extra, 'DisableNetwork 1\n')
  await relay.initialize('-n', 'a.example', '--no-password', '--disable-web')
})
afterEach(() => relay.remove())

function setup(...options: string[]): { status: number | null; stdout: string } {
  return relay.run(['tor', 'setup', '--own', '-y', '--torrc-extra', extra, ...options])
}

const value = (section: string, key: string): string | undefined => relay.value(section, key)
const set = (section: string, key: string, text: string): void => relay.set(section, key, text)

describe('a dry run', () => {
  it.each([
    ['--own'],
    ['--own', '--with-socks', '--pow', '--max-streams', '64'],
    ['--system'],
    ['--torrc-managed', '--intro-defence'],
    ['--instance', 'default'],
    ['--onion-only', '--yes-i-know'],
    ['--official-repo'],
  ])('a dry run changes nothing: %s %s %s %s', (...options) => {
    const before = tree(relay.root)
    const { stdout } = relay.run(['tor', 'setup', '--dry-run', ...options])
    expect(stdout).toContain('This was a dry run. Nothing was changed.')
    expect(stdout).toContain(`--- ${relay.ini}\n`)
    expect(stdout).toContain('+host = a.example,<new onion address>\n')
    expect(tree(relay.root)).toEqual(before)
    expect([existsSync('/etc/tor/torrc.d'), existsSync('/etc/apt/sources.list.d/tor.list')]).toEqual([false, false])
  })

  it('a dry run shows the lines that the setup then writes', () => {
    const added = relay
      .run(['tor', 'setup', '--own', '--dry-run', '--max-streams', '7', '--torrc-extra', extra])
      .stdout.split('\n')
      .filter((line) => /^\+[^+{]/.test(line) && !line.includes('host = '))
    expect(added).toEqual(['+mode = own', `+torrc_extra = ${extra}`, '+max_streams = 7'])
    const before = readFileSync(relay.ini, 'utf8').split('\n')
    setup('--max-streams', '7')
    const written = readFileSync(relay.ini, 'utf8').split('\n')
    expect(written.filter((line) => !before.includes(line) && !line.startsWith('host = '))).toEqual(
      added.map((line) => line.slice(1)),
    )
  })
})

describe('a second run', () => {
  /** Runs the setup again without options and with the same ones; nothing may change. */
  function staysAsItIs(...options: string[]): void {
    const first = setup(...options)
    expect([first.status, first.stdout]).toEqual([0, expect.stringContaining('Server address: ')])
    const before = tree(relay.config)
    for (const again of [[], options]) {
      expect(setup(...again)).toMatchObject({
        status: 0,
        stdout: expect.stringContaining('nothing was changed') as string,
      })
      expect(tree(relay.config)).toEqual(before)
    }
    const { stdout } = relay.run(['tor', 'setup', '--dry-run'])
    expect(stdout).toContain('Everything is already set up.')
  }

  it('a second run keeps the options of the first, and its imported key', async () => {
    const other = new Installation()
    try {
      await other.initialize('-n', 'b.example', '--no-password')
      other.run(['tor', 'setup', '--own', '-y', '--torrc-extra', extra])
      set('WEB', 'http', '8000')
      const key = join(other.config, 'onion.key')
      staysAsItIs('--also-web', '--max-streams', '64', '--with-socks', '--import-key', key)
      expect([value('TOR', 'web'), value('TOR', 'max_streams')]).toEqual(['on', '64'])
      expect(value('TRANSPORT', 'host')?.split(',')[1]).toBe(other.value('TRANSPORT', 'host')?.split(',')[1])
    } finally {
      await other.remove()
    }
  })

  it('a second run does not ask again for what was accepted', () => {
    staysAsItIs('--onion-only', '--yes-i-know', '--pow')
    expect([value('TOR', 'single_hop'), value('TOR', 'pow')]).toEqual(['off', 'on'])
  })

  it('a second run keeps the rate limits of the introduction points', () => {
    const plan = (...options: string[]): string =>
      relay.run(['tor', 'setup', '--dry-run', '--torrc-managed', ...options]).stdout
    expect(plan('--intro-defence')).toMatch(/^\+intro_defence = on$/m)
    expect(plan('--intro-defence')).toMatch(/^\+HiddenServiceEnableIntroDoSDefense 1$/m)
    expect(plan()).not.toContain('IntroDoSDefense')
    set('TOR', 'intro_defence', 'on')
    expect(plan()).toMatch(/^\+HiddenServiceEnableIntroDoSDefense 1$/m)
    expect(plan()).not.toMatch(/^\+intro_defence/m)
    expect(setup().status).toBe(0)
  })
})

describe('what listens at the target of the onion service', () => {
  it('without a listener the setup goes on, and says so', () => {
    set('TRANSPORT', 'port', '1')
    const { status, stdout } = setup()
    expect([status, stdout]).toEqual([
      0,
      expect.stringContaining('The relay is not running. The onion address works once it runs.\n'),
    ])
  })

  it('with another program on the port the setup stops, names it, and changes nothing', async () => {
    const page = createServer((_, response) => response.end('a page'))
    await new Promise<void>((done) => page.listen(0, '127.0.0.1', done))
    const { port } = page.address() as AddressInfo
    set('TRANSPORT', 'port', String(port))
    const before = tree(relay.root)
    try {
      // Not run in this process, which has to answer meanwhile.
      const { status, stdout } = await relay.start(['tor', 'setup', '--own', '-y', '--torrc-extra', extra]).ended()
      expect(status).toBe(1)
      expect(stdout).toMatch(
        new RegExp(`^Error: .+ \\(process ${process.pid}\\) listens on port ${port}, not this`, 'm'),
      )
      expect(tree(relay.root)).toEqual(before)
    } finally {
      page.close()
    }
  })
})

it('a relay without its identity is not set up', () => {
  writeFileSync(join(relay.config, 'fingerprint'), 'another\n')
  const before = tree(relay.root)
  const { status, stdout } = setup()
  expect([status, stdout]).toEqual([1, expect.stringContaining('Stored fingerprint is invalid.')])
  expect(tree(relay.root)).toEqual(before)
})

describe('an anonymous service', () => {
  it('an anonymous service beside a public host is refused, and nothing is changed', () => {
    const before = tree(relay.root)
    const { status, stdout } = setup('--onion-only')
    expect(status).toBe(1)
    expect(stdout).toMatch(/^Error: \[TRANSPORT\] host contains a\.example; an address with both reveals where/m)
    expect(tree(relay.root)).toEqual(before)
  })

  it('an anonymous service goes out through its own tor, and a second run changes nothing', () => {
    set('TRANSPORT', 'host', '<hostnames>')
    const { status, stdout } = setup('--onion-only')
    expect([status, stdout]).toEqual([0, expect.stringContaining('An anonymous service hides where this server runs')])
    expect(value('TRANSPORT', 'host')).toMatch(/^[a-z2-7]{56}\.onion$/)
    expect([
      value('TOR', 'single_hop'),
      value('TOR', 'socks_port'),
      value('TRANSPORT', 'listen_host'),
      value('PROXY', 'socks_proxy'),
      value('PROXY', 'socks_mode'),
      value('PROXY', 'host_mode'),
    ]).toEqual(['off', '9060', '127.0.0.1', '127.0.0.1:9060', 'always', 'onion'])
    const before = tree(relay.config)
    expect(setup('--onion-only').stdout).toContain('nothing was changed')
    expect(setup().stdout).toContain('nothing was changed')
    expect(tree(relay.config)).toEqual(before)
  })

  it('the key of an anonymous service is refused in single-hop mode', () => {
    set('TRANSPORT', 'host', '<hostnames>')
    setup('--onion-only')
    set('TOR', 'single_hop', 'on')
    const before = tree(relay.config)
    const { status, stdout } = setup()
    expect(status).toBe(1)
    expect(stdout).toMatch(/^Error: .*onion\.key is the key of an anonymous onion service/m)
    expect(tree(relay.config)).toEqual(before)
  })
})

describe('circuit_port', () => {
  it('with circuit_port a torrc of the system has the circuits of the service told, and others are refused', () => {
    set('TOR', 'circuit_port', '5228')
    const plan = (...options: string[]): string => relay.run(['tor', 'setup', '--dry-run', ...options]).stdout
    const { stdout } = relay.run(['tor', 'setup', '--dry-run', '--torrc-managed'])
    expect(stdout).toContain('+HiddenServiceExportCircuitID haproxy\n')
    expect(stdout).toMatch(/\+HiddenServicePort \d+ 127\.0\.0\.1:5228\n/)
    expect(plan('--system')).toContain('Error: circuit_port = 5228 under [TOR] needs mode own or torrc')
    set('TOR', 'web', 'on')
    expect(plan('--own')).toContain('[TOR] circuit_port = 5228: cannot be combined with web = on')
  })
})

describe('options that do not fit', () => {
  it.each([
    [['--also-web'], 'There is no web site that the onion address could lead to.'],
    [['--intro-defence'], 'tor has rate limits at the introduction points only for services in its torrc.'],
    [['--adopt', '/nowhere'], 'No torrc of this machine has an onion service in /nowhere.'],
    [['--import-key', '/nowhere'], '/nowhere does not exist.'],
    [['--torrc-managed'], 'With --own the relay runs tor itself, so there is no instance and no torrc of the system.'],
  ])('an option that does not apply is refused in one sentence: %j', (options, sentence) => {
    set('WEB', 'http', '')
    const text = readFileSync(relay.ini, 'utf8')
      .replace(/^(?:https|cert|key)[:=].*$/gm, '')
      .replace(/^http = *$/m, '')
    writeFileSync(relay.ini, text.replace(/^(https|cert|key) *[:=].*$/gm, ''))
    const before = tree(relay.config)
    const { status, stdout } = setup(...options)
    expect([status, stdout]).toEqual([1, expect.stringContaining(`Error: ${sentence}\n`)])
    expect(tree(relay.config)).toEqual(before)
  })
})

describe('a relay that runs already', () => {
  it('a running relay starts the onion service by itself, and its SOCKS tor, too', async () => {
    const socksPort = await freePort()
    const running = relay.start(['start', '--log-level', 'debug'])
    await running.shows(/Listening on port/)
    set('TOR', 'socks_port', String(socksPort))
    await running.shows(/SOCKS tor: listening on 127\.0\.0\.1:\d+/, 15_000)
    expect(await whoListens('127.0.0.1', socksPort)).toBe('tor')
    const { stdout } = await relay.start(['tor', 'setup', '--own', '-y', '--torrc-extra', extra]).ended()
    expect(stdout).not.toContain('The relay is not running')
    expect(stdout).toContain('Waiting for the running relay to start Tor')
    await running.shows(/onion service: waiting for the network/, 15_000)
    running.kill('SIGINT')
    expect((await running.ended()).status).toBe(0)
    expect(await whoListens('127.0.0.1', socksPort)).toBe('none')
  })
})

describe('bridges', () => {
  it('a single-hop service with bridges is refused, and nothing is changed; a three-hop service uses them', () => {
    for (const line of ['UseBridges 1', 'bridge 127.0.0.1:1', '  usebridges 1']) {
      writeFileSync(extra, `DisableNetwork 1\n${line}\n`)
      const bridged = tree(relay.root)
      const { status, stdout } = setup()
      expect([status, stdout]).toEqual([
        1,
        expect.stringMatching(/^Error: .*torrc-extra uses bridges, but a single-hop/m),
      ])
      expect(stdout).toContain('smp-server tor setup --three-hop')
      expect(tree(relay.root)).toEqual(bridged)
    }
    writeFileSync(extra, 'DisableNetwork 1\nUseBridges 1\nBridge 127.0.0.1:1\n')
    const { status, stdout } = setup('--three-hop')
    expect(status).toBe(0)
    expect(stdout).toContain('The public host in the address still reveals where this server runs.')
    expect([relay.value('TOR', 'single_hop'), relay.value('PROXY', 'host_mode')]).toEqual(['off', undefined])
    expect(setup().stdout).toContain('nothing was changed')
  })

  it('a relay whose single-hop tor has bridges does not let it connect, and another file cannot bring them', async () => {
    expect(setup().status).toBe(0)
    const included = join(relay.root, 'bridges')
    writeFileSync(included, 'UseBridges 1\nBridge 127.0.0.1:1\n')
    for (const [lines, reason] of [
      ['UseBridges 1\nBridge 127.0.0.1:1', /onion service: .* uses bridges, but a single-hop service ignores them/],
      [`%include ${included}`, /onion service: .*:2: %include is not allowed here/],
    ] as const) {
      writeFileSync(extra, `DisableNetwork 1\n${lines}\n`)
      const running = relay.start(['start'])
      await running.shows(reason)
      running.kill('SIGTERM')
      expect((await running.ended()).status).toBe(0)
    }
  })
})
