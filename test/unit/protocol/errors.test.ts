import { describe, expect, it } from 'vitest'
import { encodeSmpError, parseSmpError, type SmpError } from '../../../src/protocol/errors.ts'
import { encodeReply } from '../../../src/protocol/reply.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { ascii, concat, hex, short } from './bytes.ts'

const broker = (error: Extract<SmpError, { type: 'PROXY' }>['error'] & { type: 'BROKER' }): SmpError => ({
  type: 'PROXY',
  error,
})

const known: [string | Buffer, SmpError][] = [
  ['BLOCK', { type: 'BLOCK' }],
  ['SESSION', { type: 'SESSION' }],
  ['CMD UNKNOWN', { type: 'CMD', error: 'UNKNOWN' }],
  ['CMD SYNTAX', { type: 'CMD', error: 'SYNTAX' }],
  ['CMD PROHIBITED', { type: 'CMD', error: 'PROHIBITED' }],
  ['CMD NO_AUTH', { type: 'CMD', error: 'NO_AUTH' }],
  ['CMD HAS_AUTH', { type: 'CMD', error: 'HAS_AUTH' }],
  ['CMD NO_ENTITY', { type: 'CMD', error: 'NO_ENTITY' }],
  ['CMD NO_QUEUE', { type: 'CMD', error: 'NO_QUEUE' }],
  ['AUTH', { type: 'AUTH' }],
  ['SERVICE', { type: 'SERVICE' }],
  ['CRYPTO', { type: 'CRYPTO' }],
  ['QUOTA', { type: 'QUOTA' }],
  ['EXPIRED', { type: 'EXPIRED' }],
  ['NO_MSG', { type: 'NO_MSG' }],
  ['LARGE_MSG', { type: 'LARGE_MSG' }],
  ['INTERNAL', { type: 'INTERNAL' }],
  ['DUPLICATE_', { type: 'DUPLICATE_' }],
  ['STORE disk is full', { type: 'STORE', message: 'disk is full' }],
  ['STORE ', { type: 'STORE', message: '' }],
  [Buffer.from('STORE größer', 'utf8'), { type: 'STORE', message: 'größer' }],
  ['BLOCKED reason=spam', { type: 'BLOCKED', reason: 'spam' }],
  ['BLOCKED reason=content', { type: 'BLOCKED', reason: 'content' }],
  ['BLOCKED reason=content,notice={}', { type: 'BLOCKED', reason: 'content', notice: {} }],
  ['BLOCKED reason=spam,notice={"ttl":86400}', { type: 'BLOCKED', reason: 'spam', notice: { ttl: 86400 } }],
  ['NAME NO_RESOLVER', { type: 'NAME', error: { type: 'NO_RESOLVER' } }],
  ['NAME NOT_FOUND', { type: 'NAME', error: { type: 'NOT_FOUND' } }],
  ['NAME RESOLVER HTTP 503', { type: 'NAME', error: { type: 'RESOLVER', message: 'HTTP 503' } }],
  ['PROXY BASIC_AUTH', { type: 'PROXY', error: { type: 'BASIC_AUTH' } }],
  ['PROXY NO_SESSION', { type: 'PROXY', error: { type: 'NO_SESSION' } }],
  ['PROXY PROTOCOL AUTH', { type: 'PROXY', error: { type: 'PROTOCOL', error: { type: 'AUTH' } } }],
  [
    'PROXY PROTOCOL CMD SYNTAX',
    { type: 'PROXY', error: { type: 'PROTOCOL', error: { type: 'CMD', error: 'SYNTAX' } } },
  ],
  [
    concat('PROXY BROKER RESPONSE ', short('BLOCK')),
    broker({ type: 'BROKER', error: { type: 'RESPONSE', message: 'BLOCK' } }),
  ],
  [
    concat('PROXY BROKER UNEXPECTED ', short('')),
    broker({ type: 'BROKER', error: { type: 'UNEXPECTED', message: '' } }),
  ],
  ['PROXY BROKER NETWORK', broker({ type: 'BROKER', error: { type: 'NETWORK' } })],
  ['PROXY BROKER TIMEOUT', broker({ type: 'BROKER', error: { type: 'TIMEOUT' } })],
  ['PROXY BROKER HOST', broker({ type: 'BROKER', error: { type: 'HOST' } })],
  ['PROXY BROKER NO_SERVICE', broker({ type: 'BROKER', error: { type: 'NO_SERVICE' } })],
  ...(['BLOCK', 'VERSION', 'LARGE_MSG', 'SESSION', 'NO_AUTH'] as const).map((type): [string, SmpError] => [
    `PROXY BROKER TRANSPORT ${type}`,
    broker({ type: 'BROKER', error: { type: 'TRANSPORT', error: { type } } }),
  ]),
  ...(['PARSE', 'IDENTITY', 'BAD_AUTH', 'BAD_SERVICE'] as const).map((error): [string, SmpError] => [
    `PROXY BROKER TRANSPORT HANDSHAKE ${error}`,
    broker({ type: 'BROKER', error: { type: 'TRANSPORT', error: { type: 'HANDSHAKE', error } } }),
  ]),
]

describe('errors', () => {
  it.each(known)('are encoded and parsed: %s', (text, error) => {
    const bytes = typeof text === 'string' ? ascii(text) : text
    expect(encodeSmpError(error, 20)).toEqual(bytes)
    expect(parseSmpError(bytes)).toEqual(error)
  })

  it('have the bytes of the vectors', () => {
    const { ERR_CMD, ERR_PROXY_RESPONSE, ERR_BLOCKED_v18Text, ERR_BLOCKED_v12Text } = vectors.replies
    const blocked: SmpError = { type: 'BLOCKED', reason: 'spam', notice: { ttl: 86400 } }
    const response = broker({ type: 'BROKER', error: { type: 'RESPONSE', message: 'BLOCK' } })
    expect(encodeReply({ type: 'ERR', error: { type: 'CMD', error: 'SYNTAX' } }, 6)).toEqual(ascii(ERR_CMD))
    expect(encodeReply({ type: 'ERR', error: response }, 8)).toEqual(hex(ERR_PROXY_RESPONSE))
    expect(encodeReply({ type: 'ERR', error: blocked }, 18)).toEqual(ascii(ERR_BLOCKED_v18Text))
    for (const version of [12, 17]) {
      expect(encodeReply({ type: 'ERR', error: blocked }, version)).toEqual(ascii(ERR_BLOCKED_v12Text))
    }
    for (const version of [6, 11]) {
      expect(encodeReply({ type: 'ERR', error: blocked }, version)).toEqual(ascii('ERR AUTH'))
    }
  })

  it('of a relay are told through a proxy in the words of the client', () => {
    const error: SmpError = { type: 'PROXY', error: { type: 'PROTOCOL', error: { type: 'BLOCKED', reason: 'spam' } } }
    expect(encodeSmpError(error, 11)).toEqual(ascii('PROXY PROTOCOL AUTH'))
    expect(encodeSmpError(error, 12)).toEqual(ascii('PROXY PROTOCOL BLOCKED reason=spam'))
  })

  it.each(['UNKNOWNCA', 'FAILED', 'TIMEOUT', 'CONNECT \x03why', 'TLS \x00', 'SUBSCRIBE \x01x'])(
    'NETWORK may come with the detail %j, which is dropped',
    (detail) => {
      const bytes = ascii(`PROXY BROKER NETWORK ${detail}`)
      expect(parseSmpError(bytes)).toEqual(broker({ type: 'BROKER', error: { type: 'NETWORK' } }))
    },
  )

  it('cut long text of other relays between characters', () => {
    const message = 'ä'.repeat(200)
    const bytes = encodeSmpError(broker({ type: 'BROKER', error: { type: 'RESPONSE', message } }), 20)
    const cut = 'ä'.repeat(127)
    expect(parseSmpError(bytes)).toEqual(broker({ type: 'BROKER', error: { type: 'RESPONSE', message: cut } }))
  })

  it('may be nested as deeply as a block is long', () => {
    const bytes = ascii('PROXY PROTOCOL '.repeat(1091) + 'AUTH')
    const parsed = parseSmpError(bytes)
    expect(parsed).toMatchObject({ type: 'PROXY' })
    expect(parsed && encodeSmpError(parsed, 20)).toEqual(bytes)
  })

  it.each([
    '',
    ' ',
    'auth',
    'AUTH ',
    'CMD',
    'CMD ',
    'CMD OTHER',
    'CMD SYNTAX ',
    'BLOCKED',
    'BLOCKED reason=other',
    'BLOCKED reason=spam,',
    'BLOCKED reason=spam,notice=',
    'BLOCKED reason=spam,notice={',
    'BLOCKED reason=spam,notice={"ttl":"x"}',
    'BLOCKED reason=spam,notice={"ttl":1.5}',
    'STORE',
    'STORE \xff',
    'NAME',
    'NAME OTHER',
    'NAME RESOLVER',
    'PROXY',
    'PROXY OTHER',
    'PROXY PROTOCOL',
    'PROXY PROTOCOL ',
    'PROXY BROKER',
    'PROXY BROKER OTHER',
    'PROXY BROKER TIMEOUT ',
    'PROXY BROKER NETWORK ',
    'PROXY BROKER NETWORK OTHER',
    'PROXY BROKER NETWORK TLS',
    'PROXY BROKER RESPONSE \x02a',
    'PROXY BROKER RESPONSE \x01ab',
    'PROXY BROKER TRANSPORT',
    'PROXY BROKER TRANSPORT HANDSHAKE',
    'PROXY BROKER TRANSPORT HANDSHAKE OTHER',
  ])('%j is none', (text) => {
    expect(parseSmpError(ascii(text))).toBeUndefined()
  })
})
