import { describe, expect, it } from 'vitest'
import { isOlder, preflightFindings, type PreflightRequest } from '../../../../src/tor/setup/findings.ts'
import {
  type ConfigAccess,
  type MachineFacts,
  parseRelease,
  parseTorVersion,
  type SystemRelease,
} from '../../../../src/tor/setup/preflight.ts'

const debian: SystemRelease = { id: 'debian', like: [], codename: 'bookworm', name: 'Debian GNU/Linux 12' }
const access: ConfigAccess = { directory: '/etc/relay', owner: 'smp', relayUser: 'smp', mayWrite: true }

interface Values {
  isRoot: boolean
  configAccess: ConfigAccess
  release: SystemRelease | undefined
  torVersion: string | undefined
  torHasPow: boolean
  serviceManager: 'systemd' | 'none'
  appArmor: boolean
  hiddenServices: MachineFacts['hiddenServices']['value']
}

function facts(change: Partial<Values> = {}): MachineFacts {
  const values: Values = {
    isRoot: true,
    configAccess: access,
    release: debian,
    torVersion: '0.4.9.11',
    torHasPow: true,
    serviceManager: 'systemd',
    appArmor: false,
    hiddenServices: [],
    ...change,
  }
  const fact = <T>(value: T): { value: T; source: string } => ({ value, source: 'test' })
  return {
    isRoot: fact(values.isRoot),
    configAccess: fact(values.configAccess),
    release: fact(values.release),
    torVersion: fact(values.torVersion),
    torHasPow: fact(values.torHasPow),
    serviceManager: fact(values.serviceManager),
    socks: fact('none'),
    appArmor: fact(values.appArmor),
    hiddenServices: fact(values.hiddenServices),
  }
}

const own: PreflightRequest = { mode: 'own', officialRepository: false, adopts: false, pow: false, relayPorts: [5223] }

function codes(change: Partial<Values>, request: Partial<PreflightRequest>, level: string): string[] {
  return preflightFindings(facts(change), { ...own, ...request })
    .filter((finding) => finding.level === level)
    .map(({ code }) => code)
}

const service = { torrc: '/etc/tor/torrc', directory: '/var/lib/tor/x', type: 'single-hop', lines: [] } as const
const leadingTo = (...ports: [number, string][]): Values['hiddenServices'] => [
  { ...service, ports: ports.map(([virtualPort, target]) => ({ virtualPort, target })) },
]

describe('preflight checks', () => {
  it.each<[string, Partial<Values>, Partial<PreflightRequest>, string[]]>([
    ['mode own needs no root', { isRoot: false }, {}, []],
    [
      'the relay’s user must be able to write the onion key',
      { configAccess: { ...access, mayWrite: false } },
      {},
      ['CONFIG_OWNER'],
    ],
    ['mode system needs root', { isRoot: false }, { mode: 'system' }, ['NEEDS_ROOT']],
    ['mode torrc needs root', { isRoot: false }, { mode: 'torrc' }, ['NEEDS_ROOT']],
    ['adopting a service needs root', { isRoot: false }, { adopts: true }, ['NEEDS_ROOT']],
    ['mode own needs no systemd and no Debian', { serviceManager: 'none', release: undefined }, {}, []],
    ['an instance needs systemd', { serviceManager: 'none' }, { mode: 'system' }, ['NO_SERVICE_MANAGER']],
    ['an instance needs Debian', { release: undefined }, { mode: 'system' }, ['NOT_DEBIAN']],
    ['only root can install a missing tor', { torVersion: undefined, isRoot: false }, {}, ['TOR_MISSING']],
    [
      'a missing tor can be installed on Debian only',
      { torVersion: undefined, release: undefined },
      {},
      ['TOR_MISSING'],
    ],
    ['tor must not be too old', { torVersion: '0.4.5.16' }, {}, ['TOR_OLD']],
    [
      'proof of work through the control port needs a newer tor',
      { torVersion: '0.4.8.12' },
      { pow: true },
      ['TOR_OLD'],
    ],
    ['proof of work in a torrc needs tor 0.4.8', { torVersion: '0.4.7.16' }, { pow: true, mode: 'torrc' }, ['TOR_OLD']],
    ['proof of work needs a tor that was built with it', { torHasPow: false }, { pow: true }, ['TOR_WITHOUT_POW']],
    ['a tor without proof of work does where none is wanted', { torHasPow: false }, {}, []],
    ['proof of work in a torrc needs no newer tor', { torVersion: '0.4.8.12' }, { pow: true, mode: 'torrc' }, []],
    ['the package repository is for Debian', { release: undefined }, { officialRepository: true }, ['NO_REPOSITORY']],
  ])('find that %s', (_, change, request, expected) => {
    expect(codes(change, request, 'stop')).toEqual(expected)
  })

  it('the remedy for a configuration directory of another user is one chown', () => {
    const [finding] = preflightFindings(facts({ configAccess: { ...access, owner: 'root', mayWrite: false } }), own)
    expect(finding).toMatchObject({
      text: "The relay's user smp may not write to /etc/relay, which belongs to root; the onion key is stored there.",
      remedy: 'As root: chown -R smp /etc/relay',
    })
  })

  it('every reason to stop has a remedy', () => {
    const bad = {
      isRoot: false,
      release: undefined,
      torVersion: undefined,
      serviceManager: 'none',
      configAccess: { ...access, mayWrite: false },
    } as const
    const findings = preflightFindings(facts(bad), { ...own, mode: 'system', officialRepository: true })
    const stops = findings.filter(({ level }) => level === 'stop')
    expect(stops).toHaveLength(6)
    for (const { text, remedy } of stops)
      expect([text, remedy]).toEqual([expect.stringMatching(/\.$/), expect.any(String)])
  })

  it('a note says that root gets tor installed', () => {
    expect(codes({ torVersion: undefined }, {}, 'note')).toEqual(['TOR_INSTALL'])
  })

  it('a service that leads to the relay is offered for adoption, by its usual port or by the relay’s own', () => {
    const [finding] = preflightFindings(facts({ hiddenServices: leadingTo([5223, '127.0.0.1:1']) }), own).filter(
      ({ level }) => level === 'note',
    )
    expect(finding).toMatchObject({ code: 'SERVICE_THERE' })
    expect(finding?.remedy).toContain('--adopt /var/lib/tor/x')
    const seen = (port: [number, string], request: Partial<PreflightRequest> = {}): string[] =>
      codes({ hiddenServices: leadingTo(port) }, request, 'note')
    expect(seen([80, '127.0.0.1:80'])).toEqual([])
    expect(seen([5223, '127.0.0.1:5223'], { adopts: true })).toEqual([])
    expect(seen([7777, '127.0.0.1:7777'], { relayPorts: [7777] })).toEqual(['SERVICE_THERE'])
    expect(seen([7777, 'localhost:7777'], { relayPorts: [443, 7777] })).toEqual(['SERVICE_THERE'])
    expect(seen([7777, '192.0.2.1:7777'], { relayPorts: [7777] })).toEqual([])
    expect(seen([443, '127.0.0.1:8443'], { relayPorts: [443] })).toEqual([])
  })
})

describe('facts about the machine', () => {
  it('the release is read from os-release', () => {
    const text = 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n'
    expect(parseRelease(text)).toEqual({
      id: 'ubuntu',
      like: ['debian'],
      codename: 'noble',
      name: 'Ubuntu 24.04.1 LTS',
    })
    expect(parseRelease('')).toBeUndefined()
    expect(parseRelease("ID='alpine'\n")).toEqual({ id: 'alpine', like: [], codename: undefined, name: 'alpine' })
  })

  it('the version is read from tor --version', () => {
    expect(parseTorVersion('Tor version 0.4.9.11.\nThis build…')).toBe('0.4.9.11')
    expect(parseTorVersion('sh: tor: not found')).toBeUndefined()
  })

  it.each([
    ['0.4.6', '0.4.6', false],
    ['0.4.5.16', '0.4.6', true],
    ['0.4.10', '0.4.9', false],
    ['0.4', '0.4.1', true],
    ['1', '0.4.9', false],
  ])('version %s is older than %s: %s', (version, than, older) => {
    expect(isOlder(version, than)).toBe(older)
  })
})
