import { describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/errors/app-error.ts'
import { parseOnionHostname } from '../../../../src/crypto/onion-address.ts'
import { statusLines } from '../../../../src/cli/tor/status.ts'
import type { Observed, ObservedTor } from '../../../../src/tor/supervisor/status.ts'
import type { FactName } from '../../../../src/tor/supervisor/status-facts.ts'
import { onionStatus } from '../../../../src/tor/supervisor/status-facts.ts'
import type { StatusRecord } from '../../../../src/tor/supervisor/status-file.ts'
import { parseStatus } from '../../../../src/tor/supervisor/status-file.ts'

const name = 'opzuh7zruzglastucbfbibrchuwztgncnwpg5kore65jj7vhkmvwumyd.onion'
const other = 'elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad.onion'

const relay = '{"pid":4711,"processStart":"99","startedAt":"2025-11-23T10:00:00.000Z"}'

/** What the relay leaves in the status file, as text. */
function written(state: string): StatusRecord {
  const record = parseStatus(`{"relay":${relay},"writtenAt":"2025-11-23T10:30:00.000Z","state":${state}}`)
  if (!record) throw new Error('the status file cannot be read')
  return record
}

const publishedText = `{
  "phase": "published", "restarts": 0, "hostname": "${name}",
  "torVersion": "0.4.9.11", "torPid": 4712, "networkUp": true,
  "bootstrap": { "type": "bootstrap", "severity": "NOTICE", "progress": 100, "tag": "done", "summary": "Done" },
  "publication": { "uploads": 8, "uploaded": 7 },
  "publishedAt": "2025-11-23T10:00:05.100Z", "uploadedAt": "2025-11-23T10:00:06.000Z",
  "confirmedAt": "2025-11-23T10:20:00.000Z",
  "check": {
    "last": {
      "at": "2025-11-23T10:00:10.000Z", "host": "${name}", "port": 5223, "via": "client",
      "steps": [{ "name": "tor", "ms": 2789.9 }, { "name": "connect", "ms": 328.2 }, { "name": "tls", "ms": 6.9 },
        { "name": "certificate" }, { "name": "hello", "ms": 103.3 }, { "name": "ping", "ms": 221.4 }],
      "ms": 659.8, "versions": { "min": 6, "max": 20 }
    },
    "failures": 0, "nextAt": "2025-11-23T10:29:00.000Z"
  }
}`
const published = written(publishedText)
const failed = written(
  `{"phase":"published","restarts":2,"hostname":"${name}","publishedAt":"2025-11-23T10:00:05.000Z",
    "lastError":{"at":"2025-11-23T10:10:00.000Z","code":"TOR_ENDED","message":"tor ended: it was ended by SIGKILL."},
    "check":{"failures":3,"nextAt":"2025-11-23T10:24:00.000Z","last":{"at":"2025-11-23T10:20:00.000Z",
    "host":"${name}","port":5223,"via":"client","steps":[{"name":"tor","ms":1}],"ms":0,
    "fault":{"step":"connect","code":"ONION_TIMEOUT","message":"It did not answer.","remedy":"Do something."}}}}`,
)
const publishing = written('{"phase":"publishing","restarts":0,"publication":{"uploads":6,"uploaded":0}}')
const contested = written('{"phase":"publishing","restarts":0,"contestedAt":"2025-11-23T10:20:00.000Z"}')
const late = written('{"phase":"bootstrapping","restarts":0,"clockSkew":-259200}')
const stopped = written('{"phase":"stopped","restarts":0}')

const tor: ObservedTor = {
  version: '0.4.9.11',
  pid: 4712,
  singleHop: true,
  bootstrap: { severity: 'NOTICE', progress: 100, tag: 'done', summary: 'Done' },
  hasService: true,
}

const hostname = parseOnionHostname(name)
if (!hostname) throw new Error('the vector is right')

const healthy: Observed = {
  config: { mode: 'own', directory: '/state/tor' },
  keyFile: '/etc/opt/simplex/onion.key',
  key: { hostname, mode: 0o600 },
  next: undefined,
  configured: [name],
  tor,
  relay: { running: true, record: published },
}

function textOf(observed: Observed, fact: FactName): string | undefined {
  return onionStatus(observed).facts.find((one) => one.name === fact)?.text
}

describe('the status of a healthy onion service', () => {
  it('has every fact with its source', () => {
    const status = onionStatus(healthy)
    expect(status).toMatchObject({ healthy: true, state: 'healthy' })
    expect(status.problem).toBeUndefined()
    expect(status.facts.map((fact) => [fact.name, fact.ok, fact.source, fact.text])).toEqual([
      ['key', true, '/etc/opt/simplex/onion.key', 'present, mode 0600'],
      ['name', true, 'key and INI file', `${name}: the key, host and the server address agree`],
      ['relay', true, 'status file', 'running since 2025-11-23T10:00:00Z, process 4711'],
      ['control', true, '/state/tor/control', 'connected'],
      ['tor', true, 'tor', '0.4.9.11, run by the relay, process 4712'],
      ['mode', true, 'tor', 'single-hop'],
      ['bootstrap', true, 'tor', '100 %, Done'],
      ['service', true, 'tor', 'tor has the onion service'],
      [
        'descriptor',
        true,
        'relay',
        'published 2025-11-23T10:00:05Z to 7 of 8 directories, last confirmed 2025-11-23T10:20:00Z',
      ],
      ['check', true, 'relay', 'reached from outside 2025-11-23T10:00:10Z in 0.66 s, next 2025-11-23T10:29:00Z'],
      ['restarts', undefined, 'relay', 'none'],
    ])
    expect(status.facts.every(({ remedy }) => remedy === undefined)).toBe(true)
  })

  it('is healthy before its first check', () => {
    const text = publishedText.replace(/,\s*"check"[^]*$/, '}')
    const status = onionStatus({ ...healthy, relay: { running: true, record: written(text) } })
    expect(status.healthy).toBe(true)
    expect(status.facts.find((fact) => fact.name === 'check')).toMatchObject({ ok: undefined })
  })

  it('may have two names while one takes the place of the other', () => {
    const next = parseOnionHostname(other)
    const status = onionStatus({ ...healthy, next, configured: [name, other] })
    expect(status.healthy).toBe(true)
    expect(status.facts.find((fact) => fact.name === 'name')?.text).toContain(`and ${other} as its next address`)
  })

  it('may run in an anonymous tor when that is wanted', () => {
    const config = { mode: 'own', directory: '/state/tor', serviceType: 'anonymous' } as const
    const status = onionStatus({ ...healthy, config, tor: { ...tor, singleHop: false } })
    expect(status.healthy).toBe(true)
    expect(onionStatus({ ...healthy, config }).problem).toMatchObject({ fact: 'mode' })
  })

  it('of a torrc is told by its name, its relay and the checks', () => {
    const state = publishedText.replace('"published", "restarts"', '"watched", "restarts"')
    const record = written(state)
    const inTorrc: Observed = { ...healthy, config: 'torrc', key: undefined, tor: undefined }
    const status = onionStatus({ ...inTorrc, relay: { running: true, record } })
    expect(status.healthy).toBe(true)
    expect(status.facts.map((fact) => fact.name)).toEqual(['setup', 'name', 'relay', 'check'])
    expect(textOf({ ...inTorrc, relay: { running: true, record } }, 'check')).toMatch(/^reached from outside/)
    const asFailed = onionStatus({ ...inTorrc, relay: { running: true, record: failed } })
    expect(asFailed.problem).toMatchObject({ fact: 'check', remedy: 'Do something.' })
    const { check, ...unchecked } = record.state
    expect(check).toBeDefined()
    const started = { ...inTorrc, relay: { running: true, record: { ...record, state: unchecked } } }
    expect(onionStatus(started)).toMatchObject({ healthy: false, state: 'unknown' })
    expect(onionStatus({ ...started, unit: { name: 'tor@default', state: 'failed' } }).problem).toEqual({
      fact: 'unit',
      text: 'tor@default is failed',
      remedy: 'systemctl status tor@default; journalctl -u tor@default -n 20',
    })
    expect(onionStatus({ ...inTorrc, configured: [] }).problem).toMatchObject({ fact: 'name' })
    expect(onionStatus({ ...inTorrc, relay: { running: false } }).problem).toMatchObject({ fact: 'relay' })
  })

  it('knows a tor instance of the system by its control socket', () => {
    const control = { type: 'unix', path: '/run/tor-instances/smp/control' } as const
    const observed: Observed = { ...healthy, config: { mode: 'system', control } }
    expect(onionStatus(observed).facts.find((fact) => fact.name === 'control')?.source).toBe(control.path)
    expect(textOf(observed, 'tor')).toContain('run by the system')
  })
})

it('a healthy service says how long ago it was confirmed when that is not now', () => {
  const status = onionStatus(healthy)
  expect(status.confirmedAt).toEqual(new Date('2025-11-23T10:20:00.000Z'))
  const first = (now: string): string | undefined => statusLines(status, new Date(now))[0]
  expect(first('2025-11-23T10:21:30.000Z')).toBe('Onion service: healthy')
  expect(first('2025-11-23T10:44:10.000Z')).toBe('Onion service: healthy, last confirmed 24 min ago')
})

it('a service whose tor has lost its network is not healthy', () => {
  const record = written(publishedText.replace('"networkUp": true', '"networkUp": false'))
  expect(onionStatus({ ...healthy, relay: { running: true, record } }).problem).toMatchObject({
    fact: 'descriptor',
    text: 'published 2025-11-23T10:00:05Z, but tor has lost the connection to its network',
    remedy: expect.stringMatching(/^Check that this machine is online/) as string,
  })
})

it('a tor that was upgraded while it runs is named, with the command where the relay does not restart it', () => {
  const replaced = { ...tor, replaced: true }
  expect(textOf({ ...healthy, tor: replaced }, 'tor')).toMatch(
    /upgraded meanwhile; the relay restarts it when no client/,
  )
  const config = { mode: 'system', control: { type: 'unix', path: '/run/tor-instances/smp/control' } } as const
  const unit = { name: 'tor@smp', state: 'active' }
  expect(textOf({ ...healthy, config, unit, tor: replaced }, 'tor')).toMatch(
    /upgraded meanwhile: systemctl restart tor@smp$/,
  )
})

describe('the status of an onion service that is not healthy names the first thing that is wrong', () => {
  const denied = new AppError('TOR_CONTROL_DENIED', 'This user may not open it.', 'Add the user to the group.')
  it.each<[string, Partial<Observed>, FactName, RegExp, RegExp]>([
    ['none was set up', { config: undefined }, 'setup', /no onion service/, /tor setup/],
    ['its key is lost', { key: undefined }, 'key', /missing/, /tor key restore FILE/],
    [
      'its key cannot be read',
      { key: new AppError('ONION_KEY_UNREADABLE', 'It cannot be read.', 'chown it.') },
      'key',
      /cannot/,
      /chown/,
    ],
    ['others may read its key', { key: { hostname, mode: 0o640 } }, 'key', /mode 0640/, /^chmod 600 .*onion\.key$/],
    ['its name is not in the address', { configured: [] }, 'name', /not in host under \[TRANSPORT\]/, /tor setup/],
    ['the address has another name', { configured: [other] }, 'name', /has elbq.*that of opzu/, /tor key restore FILE/],
    ['the address has a second name', { configured: [name, other] }, 'name', /has elbq/, /into host instead/],
    ['the relay never ran', { relay: { running: false } }, 'relay', /not running/, /smp-server start/],
    [
      'the relay was stopped',
      { relay: { running: false, record: stopped }, tor: undefined },
      'relay',
      /was stopped at 2025-11-23T10:30:00Z/,
      /smp-server start/,
    ],
    [
      'the relay was killed',
      { relay: { running: false, record: published } },
      'relay',
      /was killed or crashed/,
      /smp-server start/,
    ],
    ['no tor runs', { tor: undefined }, 'control', /tor is not running/, /restarts it/],
    ['tor may not be asked', { tor: denied }, 'control', /may not open/, /group/],
    [
      'tor is not in single-hop mode',
      { tor: { ...tor, singleHop: false } },
      'mode',
      /anonymous, but single-hop was set up/,
      /tor setup/,
    ],
    [
      'tor has no network',
      {
        tor: {
          ...tor,
          bootstrap: { severity: 'WARN', progress: 5, tag: 'conn', summary: 'Connecting', warning: 'No route to host' },
        },
      },
      'bootstrap',
      /5 %, Connecting \(No route to host\)/,
      /online/,
    ],
    [
      'the clock is wrong',
      {
        tor: { ...tor, bootstrap: { severity: 'WARN', progress: 40, tag: 'loading_keys', summary: 'Loading' } },
        relay: { running: true, record: late },
      },
      'bootstrap',
      /40 %, Loading \(the clock of this machine is about 3 days behind\)/,
      /^Correct the clock: timedatectl set-ntp true$/,
    ],
    [
      'the clock is wrong, and it is not published',
      { relay: { running: true, record: late } },
      'descriptor',
      /; the clock of this machine is about 3 days behind$/,
      /timedatectl/,
    ],
    [
      'tor has lost the service',
      { tor: { ...tor, hasService: false } },
      'service',
      /does not have/,
      /adds it within seconds/,
    ],
    [
      'another tor has published it',
      { relay: { running: true, record: contested } },
      'descriptor',
      /^contested since 2025-11-23T10:20:00Z: The directories hold a newer descriptor: another tor has this key, or the clock was ahead \(passes within 3 h\)\.$/,
      /Stop the tor that has a copy of this key.*`smp-server tor rotate`/,
    ],
    ['it is not published yet', { relay: { running: true, record: publishing } }, 'descriptor', /publishing/, /Wait/],
    [
      'it was not reached from outside',
      { relay: { running: true, record: failed } },
      'check',
      /failed 2025-11-23T10:20:00Z, 3 times in a row: It did not answer\., next/,
      /^Do something\.$/,
    ],
  ])('%s', (_, change, fact, text, remedy) => {
    const { healthy: isHealthy, problem } = onionStatus({ ...healthy, ...change })
    expect(isHealthy).toBe(false)
    expect(problem?.fact).toBe(fact)
    expect(problem?.text).toMatch(text)
    expect(problem?.remedy).toMatch(remedy)
  })

  it('the relay still serves the name of an earlier key', () => {
    const moved = written(publishedText.replaceAll(name, other))
    const { problem } = onionStatus({ ...healthy, relay: { running: true, record: moved } })
    expect(problem).toMatchObject({ fact: 'name', remedy: 'Restart the relay.' })
  })

  it('restarts of tor are told with the reason of the last one', () => {
    const text = textOf({ ...healthy, relay: { running: true, record: failed } }, 'restarts')
    expect(text).toBe(
      'Tor connection failed 2 times, last at 2025-11-23T10:10:00Z: tor ended: it was ended by SIGKILL.',
    )
  })

  it('what a relay knew that does not run any more is neither right nor wrong', () => {
    const { facts } = onionStatus({ ...healthy, tor: undefined, relay: { running: false, record: failed } })
    expect(facts.find((one) => one.name === 'check')?.ok).toBeUndefined()
    expect(facts.some((one) => one.name === 'descriptor')).toBe(false)
  })
})
