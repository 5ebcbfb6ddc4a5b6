import { describe, expect, it } from 'vitest'
import { parseProtocolInfo } from '../../../../src/tor/control/authenticate.ts'
import { endpointText, parseEndpoint } from '../../../../src/tor/control/endpoint.ts'
import { parseBootstrapPhase, parseEvent } from '../../../../src/tor/control/events.ts'
import { parseConfiguration, parseInfo, plainWord } from '../../../../src/tor/control/info.ts'
import { addOnionCommand, parseAddedOnion, parseOnionList } from '../../../../src/tor/control/onion.ts'
import type { ControlMessage } from '../../../../src/tor/control/reply.ts'
import { ReplyParser } from '../../../../src/tor/control/reply.ts'
import { onionKeyFromSecret } from '../../../../src/crypto/onion-key.ts'

const idA = 'elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad'
const idB = 'opzuh7zruzglastucbfbibrchuwztgncnwpg5kore65jj7vhkmvwumyd'
const keyA = '4DGERaq5eK/eSZr1Ya3GjIRN+kVeq43nbVxRjedYU2DYERQ8EWp3VuThTBxwpqqqZUlxfk+SxmpjudTKGZgujg=='

function message(...lines: string[]): ControlMessage {
  const [first] = new ReplyParser().push(Buffer.from(lines.map((line) => `${line}\r\n`).join('')))
  if (!first) throw new Error('not a whole message')
  return first
}

describe('events', () => {
  const event = (line: string): unknown => parseEvent(message(line))

  it('bootstrap events have a percentage, and a warning when a step failed', () => {
    expect(event('650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done"')).toEqual({
      type: 'bootstrap',
      severity: 'NOTICE',
      progress: 100,
      tag: 'done',
      summary: 'Done',
    })
    expect(
      event(
        '650 STATUS_CLIENT WARN BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY="Connecting to a relay" WARNING="Connection refused" REASON=CONNECTREFUSED COUNT=1 RECOMMENDATION=ignore HOSTADDR="127.0.0.1:1"',
      ),
    ).toMatchObject({ severity: 'WARN', progress: 5, warning: 'Connection refused' })
  })

  it('status events have an action', () => {
    expect(event('650 STATUS_CLIENT NOTICE ENOUGH_DIR_INFO')).toMatchObject({
      type: 'status',
      of: 'client',
      action: 'ENOUGH_DIR_INFO',
    })
    expect(event('650 STATUS_GENERAL WARN CLOCK_SKEW SKEW=3600 SOURCE="OR:1.2.3.4:9001"')).toMatchObject({
      of: 'general',
      severity: 'WARN',
      action: 'CLOCK_SKEW',
    })
  })

  it('descriptor events have service, directory and reason', () => {
    expect(event(`650 HS_DESC UPLOADED ${idA} UNKNOWN $0123~auth1`)).toEqual({
      type: 'hsDesc',
      action: 'UPLOADED',
      serviceId: idA,
      directory: '$0123~auth1',
    })
    expect(event(`650 HS_DESC FAILED ${idA} NO_AUTH $45~relay0 blinded REASON=NOT_FOUND`)).toMatchObject({
      action: 'FAILED',
      directory: '$45~relay0',
      reason: 'NOT_FOUND',
    })
    expect(event(`650 HS_DESC CREATED ${idA} UNKNOWN UNKNOWN blinded`)).toMatchObject({ directory: 'UNKNOWN' })
  })

  it('network liveness events say up or down', () => {
    expect(event('650 NETWORK_LIVENESS UP')).toEqual({ type: 'networkLiveness', up: true })
    expect(event('650 NETWORK_LIVENESS DOWN')).toEqual({ type: 'networkLiveness', up: false })
  })

  it.each([
    '650 ',
    '650 HS_DESC',
    '650 HS_DESC UPLOADED',
    '650 STATUS_CLIENT NOTICE',
    '650 NETWORK_LIVENESS SIDEWAYS',
    '650 SOMETHING NEW="1"',
  ])('an event that is cut short or unknown is not an error: %s', (line) => {
    expect(event(line)).toMatchObject({ type: 'other' })
  })

  it('a bootstrap phase without a valid percentage is refused', () => {
    for (const progress of ['101', '-1', '5.5', 'x', '', '1000']) {
      expect(parseBootstrapPhase(`NOTICE BOOTSTRAP PROGRESS=${progress} TAG=a SUMMARY="b"`)).toBeUndefined()
    }
  })
})

describe('values of GETINFO and GETCONF', () => {
  it('GETINFO values are lines or data', () => {
    const info = parseInfo(message('250-version=0.4.9.11', '250+onions/detached=', idA, idB, '.', '250 OK'))
    expect(info.get('version')).toBe('0.4.9.11')
    expect(parseOnionList(info.get('onions/detached') ?? '')).toEqual([idA, idB])
  })

  it('a list of services has none, one or several', () => {
    expect(parseOnionList('')).toEqual([])
    expect(parseOnionList(idA)).toEqual([idA])
    expect(parseOnionList(`${idA}\nnot-an-id\n${idB}`)).toEqual([idA, idB])
  })

  it('GETCONF values may be missing or several', () => {
    const values = parseConfiguration(
      message(
        '250-HiddenServiceSingleHopMode=1',
        '250-SocksPort=0',
        '250-HiddenServicePort=80 a',
        '250-HiddenServicePort=81 b=c',
        '250 Bridge',
      ),
    )
    expect(values.get('hiddenservicesinglehopmode')).toEqual(['1'])
    expect(values.get('hiddenserviceport')).toEqual(['80 a', '81 b=c'])
    expect(values.get('bridge')).toEqual([])
  })

  it('names of options and keys with separators are refused', () => {
    for (const word of ['', 'a b', 'a\r\nQUIT', 'a"b']) expect(() => plainWord(word)).toThrow(TypeError)
  })
})

describe('ADD_ONION', () => {
  const made = onionKeyFromSecret(Buffer.from(keyA, 'base64'))
  if (!made) throw new Error('the vector is right')
  const key = made
  const ports = [
    { virtualPort: 5223, target: '127.0.0.1:5223' },
    { virtualPort: 443, target: 'unix:/run/x' },
  ]

  it('ADD_ONION has the key, the flags and the ports', () => {
    expect(addOnionCommand({ key, ports, flags: ['NonAnonymous', 'Detach'] })).toBe(
      `ADD_ONION ED25519-V3:${keyA} Flags=NonAnonymous,Detach Port=5223,127.0.0.1:5223 Port=443,unix:/run/x`,
    )
    expect(addOnionCommand({ key, ports: ports.slice(0, 1), flags: [], maxStreams: 64 })).toBe(
      `ADD_ONION ED25519-V3:${keyA} MaxStreams=64 Port=5223,127.0.0.1:5223`,
    )
  })

  it('ADD_ONION is never sent with a target that contains more than a target', () => {
    const flags = [] as const
    expect(() => addOnionCommand({ key, ports: [{ virtualPort: 1, target: 'a b' }], flags })).toThrow(TypeError)
    expect(() => addOnionCommand({ key, ports: [], flags })).toThrow(TypeError)
  })

  it('the reply to ADD_ONION has the id of the service', () => {
    expect(parseAddedOnion(message(`250-ServiceID=${idB}`, '250 OK'))).toEqual({ serviceId: idB })
  })

  it.each([
    ['no id', ['250 OK']],
    ['a broken id', ['250-ServiceID=abc', '250 OK']],
    ['an id with a wrong checksum', [`250-ServiceID=a${idA.slice(1)}`, '250 OK']],
  ])('a reply to ADD_ONION with %s is malformed', (_, lines) => {
    expect(parseAddedOnion(message(...lines))).toBeUndefined()
  })
})

describe('PROTOCOLINFO', () => {
  it('PROTOCOLINFO names methods, cookie file and version', () => {
    const reply = message(
      '250-PROTOCOLINFO 1',
      '250-AUTH METHODS=COOKIE,SAFECOOKIE COOKIEFILE="/tmp/a \\"b\\"/\\303\\274"',
      '250-VERSION Tor="0.4.9.11"',
      '250 OK',
    )
    expect(parseProtocolInfo(reply)).toEqual({
      methods: ['COOKIE', 'SAFECOOKIE'],
      cookieFile: '/tmp/a "b"/ü',
      version: '0.4.9.11',
    })
  })

  it('PROTOCOLINFO without methods or version is refused', () => {
    expect(parseProtocolInfo(message('250-PROTOCOLINFO 1', '250-AUTH METHODS=NULL', '250 OK'))).toBeUndefined()
    expect(parseProtocolInfo(message('250-VERSION Tor="1"', '250 OK'))).toBeUndefined()
  })
})

const ONION = `${'a'.repeat(56)}.onion`

describe('the place of a control port', () => {
  it.each([
    ['/run/tor/control', '/run/tor/control'],
    ['unix:/run/tor/control', '/run/tor/control'],
    ['9051', '127.0.0.1:9051'],
    ['127.0.0.1:9051', '127.0.0.1:9051'],
    ['[::1]:9051', '[::1]:9051'],
    ['localhost:9051', 'localhost:9051'],
    ['tor_proxy:9051', 'tor_proxy:9051'],
    ['tor.internal:9051', 'tor.internal:9051'],
  ])('a control endpoint is read from %s', (text, shown) => {
    const endpoint = parseEndpoint(text)
    expect(endpoint && endpointText(endpoint)).toBe(shown)
  })

  it.each([
    '',
    'tor:0',
    'control',
    '0',
    '65536',
    '1.2.3:9051',
    '::1:9051',
    `${ONION}:9051`,
    'a b:1',
    `/${'a'.repeat(107)}`,
  ])('a control endpoint is not %j', (text) => {
    expect(parseEndpoint(text)).toBeUndefined()
  })
})
