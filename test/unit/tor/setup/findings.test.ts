import { describe, expect, it } from 'vitest'
import { isOlder, judge, type Wishes } from '../../../../src/tor/setup/findings.ts'
import {
  type MachineFacts,
  parseRelease,
  parseTorVersion,
  type SystemRelease,
} from '../../../../src/tor/setup/preflight.ts'

const debian: SystemRelease = { id: 'debian', like: [], codename: 'bookworm', name: 'Debian GNU/Linux 12' }

interface Values {
  isRoot: boolean
  relayUid: number | undefined
  release: SystemRelease | undefined
  torVersion: string | undefined
  serviceManager: 'systemd' | 'none'
  appArmor: boolean
  hiddenServices: MachineFacts['hiddenServices']['value']
}

function facts(change: Partial<Values> = {}): MachineFacts {
  const values: Values = {
    isRoot: true,
    relayUid: 0,
    release: debian,
    torVersion: '0.4.9.11',
    serviceManager: 'systemd',
    appArmor: false,
    hiddenServices: [],
    ...change,
  }
  const fact = <T>(value: T): { value: T; source: string } => ({ value, source: 'test' })
  return {
    isRoot: fact(values.isRoot),
    relayUid: { value: values.relayUid, source: '/etc/relay.ini' },
    release: fact(values.release),
    torVersion: fact(values.torVersion),
    serviceManager: fact(values.serviceManager),
    socks: fact('none'),
    appArmor: fact(values.appArmor),
    hiddenServices: fact(values.hiddenServices),
  }
}

const own: Wishes = {
  form: 'own',
  anonymous: false,
  torrcManaged: false,
  officialRepository: false,
  adopts: false,
  pow: false,
  hasKey: false,
}

function codes(change: Partial<Values>, wishes: Partial<Wishes>, level: string): string[] {
  return judge(facts(change), { ...own, ...wishes })
    .filter((finding) => finding.level === level)
    .map(({ code }) => code)
}

const service = { torrc: '/etc/tor/torrc', directory: '/var/lib/tor/x', mode: 'single-hop', lines: [] } as const

describe('the judgement of a machine', () => {
  it.each<[string, Partial<Values>, Partial<Wishes>, string[]]>([
    ['an own tor needs no root', { isRoot: false }, {}, []],
    ['root does not run the own tor of another user', { relayUid: 1000 }, {}, ['OWN_AS_ROOT']],
    ['root may put a key in its place', { relayUid: 1000 }, { hasKey: true }, []],
    ['that user may run it', { relayUid: 1000, isRoot: false }, {}, []],
    ['root may make an instance for another user', { relayUid: 1000 }, { form: 'system' }, []],
    ['an instance needs root', { isRoot: false }, { form: 'system' }, ['NEEDS_ROOT']],
    ['taking a service over needs root', { isRoot: false }, { adopts: true }, ['NEEDS_ROOT']],
    ['an own tor needs no systemd, and no Debian', { serviceManager: 'none', release: undefined }, {}, []],
    ['an instance needs systemd', { serviceManager: 'none' }, { form: 'system' }, ['NO_SERVICE_MANAGER']],
    ['an instance needs Debian', { release: undefined }, { form: 'system' }, ['NOT_DEBIAN']],
    ['a missing tor can be installed by root only', { torVersion: undefined, isRoot: false }, {}, ['TOR_MISSING']],
    [
      'a missing tor can be installed on Debian only',
      { torVersion: undefined, release: undefined },
      {},
      ['TOR_MISSING'],
    ],
    ['tor must not be too old', { torVersion: '0.4.5.16' }, {}, ['TOR_OLD']],
    ['proof of work through control needs a newer tor', { torVersion: '0.4.8.12' }, { pow: true }, ['TOR_OLD']],
    ['in a torrc it does not', { torVersion: '0.4.8.12' }, { pow: true, torrcManaged: true }, []],
    ['the repository is for Debian', { release: undefined }, { officialRepository: true }, ['NO_REPOSITORY']],
  ])('%s', (_, change, wishes, expected) => {
    expect(codes(change, wishes, 'stop')).toEqual(expected)
  })

  it('says whose INI file it is, and what to do, before it speaks of installing tor', () => {
    const [first] = judge(facts({ relayUid: 1000, torVersion: undefined }), own)
    expect(first).toMatchObject({
      text: '/etc/relay.ini belongs to another user, whose tor root should not run.',
      remedy: 'Run it as that user: sudo -u USER smp-server tor setup --own',
    })
  })

  it('every reason to stop has a remedy', () => {
    const bad = { isRoot: false, release: undefined, torVersion: undefined, serviceManager: 'none' } as const
    const findings = judge(facts(bad), { ...own, form: 'system', officialRepository: true })
    const stops = findings.filter(({ level }) => level === 'stop')
    expect(stops).toHaveLength(5)
    for (const { text, remedy } of stops)
      expect([text, remedy]).toEqual([expect.stringMatching(/\.$/), expect.any(String)])
  })

  it('says that root gets tor installed', () => {
    expect(codes({ torVersion: undefined }, {}, 'note')).toEqual(['TOR_INSTALL'])
  })

  it('offers to take over a service for port 5223, and only such a one', () => {
    const [finding] = judge(facts({ hiddenServices: [{ ...service, ports: [5223, 443] }] }), own).filter(
      ({ level }) => level === 'note',
    )
    expect(finding).toMatchObject({ code: 'SERVICE_THERE' })
    expect(finding?.remedy).toContain('--adopt /var/lib/tor/x')
    expect(codes({ hiddenServices: [{ ...service, ports: [80] }] }, {}, 'note')).toEqual([])
    expect(codes({ hiddenServices: [{ ...service, ports: [5223] }] }, { adopts: true }, 'note')).toEqual([])
  })
})

describe('what the machine says', () => {
  it('is read from os-release', () => {
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

  it('is read from tor --version', () => {
    expect(parseTorVersion('Tor version 0.4.9.11.\nThis build…')).toBe('0.4.9.11')
    expect(parseTorVersion('sh: tor: not found')).toBeUndefined()
  })

  it.each([
    ['0.4.6', '0.4.6', false],
    ['0.4.5.16', '0.4.6', true],
    ['0.4.10', '0.4.9', false],
    ['0.4', '0.4.1', true],
    ['1', '0.4.9', false],
  ])('%s older than %s: %s', (version, than, older) => {
    expect(isOlder(version, than)).toBe(older)
  })
})
