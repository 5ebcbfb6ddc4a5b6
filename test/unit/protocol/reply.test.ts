import { describe, expect, it } from 'vitest'
import type { LinkId, MsgId, NotifierId, RcvId, RelayId, ServiceId, SndId } from '../../../src/protocol/ids.ts'
import {
  encodeReply,
  encodeReplyTransmission,
  mayHaveEntity,
  parseReply,
  type Reply,
} from '../../../src/protocol/reply.ts'
import { encodeTransmission, transmissionContext } from '../../../src/protocol/transmission.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { ascii, concat, dhKey, hex, id, short } from './bytes.ts'

const { replies } = vectors
const rcvId = id<RcvId>(vectors.authorization.entityId)
const sndId = id<SndId>('80356137f0f3f0063d5623c95f6c2e52907dd1296325477e')
const srvDhKey = dhKey(vectors.authorization.x25519.serverSessionSpki)
const notifierId = id<NotifierId>('f4b30badbdcb9bb090aa28e4a6646a915b9c77fd70555644')
// After the word, the id and the length of the key.
const srvNtfDhKey = dhKey(replies.NID.slice(60))
const linkId = id<LinkId>('0802e7895dad6fb0b0e459affb0649923f47e63a38409624')
const serviceId = id<ServiceId>('33e12b8be743546688661864cc140dd7b55d8ba5d32f9d1d')
const hash = hex('4edbe498f818c614ac8a757613f54b32')
const queue = { type: 'IDS', rcvId, sndId, srvDhKey } as const
const { unpadded: hello } = vectors.handshake.serverV6to19
const certKey = {
  chain: [hex(vectors.upstreamFixtures.serverCrtDer), hex(vectors.upstreamFixtures.caCrtDer)],
  signedKey: hex(vectors.signedKey.ed448),
}

const known: [string, number[], string, Reply][] = [
  ['IDS of v6..8', [6, 7, 8], replies.IDS.v6, queue],
  ['IDS of v9..14', [9, 11, 14], replies.IDS.v9_sndSecure, { ...queue, queueMode: 'M' }],
  ['IDS of v15', [15], replies.IDS.v15, { ...queue, queueMode: 'M' }],
  ['IDS of v16', [16], replies.IDS.v16, { ...queue, queueMode: 'M' }],
  [
    'IDS of v17',
    [17, 18, 19, 20],
    replies.IDS.v17_link_ntf,
    { ...queue, queueMode: 'C', linkId, notifier: { notifierId, srvNtfDhKey } },
  ],
  ['SOK', [16, 20], replies.SOK_v16_none, { type: 'SOK' }],
  [
    'SOK in a service session',
    [16, 20],
    `534f4b203118${hex('33e12b8be743546688661864cc140dd7b55d8ba5d32f9d1d').toString('hex')}`,
    { type: 'SOK', serviceId },
  ],
  [
    'LNK',
    [6, 20],
    replies.LNK,
    { type: 'LNK', sndId, link: { fixedData: ascii('fixed-data'), userData: ascii('user-data') } },
  ],
  ['NID', [6, 20], replies.NID, { type: 'NID', notifierId, srvNtfDhKey }],
  ['END', [6, 20], replies.END, { type: 'END' }],
  ['DELD', [10, 20], replies.DELD, { type: 'DELD' }],
  ['ENDS of v19', [19, 20], replies.ENDS_v19, { type: 'ENDS', count: 3, idsHash: hash }],
  ['ENDS before', [16, 18], replies.ENDS_v16, { type: 'ENDS', count: 3, idsHash: Buffer.alloc(16) }],
  [
    'SOKS of v19',
    [19, 20],
    replies.ENDS_v19.replace('454e4453', '534f4b53'),
    { type: 'SOKS', count: 3, idsHash: hash },
  ],
  [
    'NMSG',
    [6, 20],
    vectors.notification.NMSG,
    { type: 'NMSG', nonce: hex(vectors.notification.nonce), encMeta: hex(vectors.notification.encrypted144) },
  ],
  [
    'PKEY',
    [8, 20],
    replies.PKEY,
    { type: 'PKEY', relayId: id<RelayId>(vectors.authorization.sessionId), range: { min: 8, max: 19 }, certKey },
  ],
  ['ERR', [6, 20], replies.ERR_AUTH, { type: 'ERR', error: { type: 'AUTH' } }],
  ['ALLS', [6, 20], '414c4c53', { type: 'ALLS' }],
  ['OK', [6, 20], replies.OK_below_v16, { type: 'OK' }],
  ['PONG', [6, 20], '504f4e47', { type: 'PONG' }],
  ['INFO', [6, 20], ascii('INFO {"qiSnd":true}').toString('hex'), { type: 'INFO', json: '{"qiSnd":true}' }],
  ['RNAME', [20], ascii('RNAME {"name":"a.simplex"}').toString('hex'), { type: 'RNAME', json: '{"name":"a.simplex"}' }],
  ['RRES', [8, 20], ascii('RRES abc').toString('hex'), { type: 'RRES', encFwdResponse: ascii('abc') }],
  ['PRES', [8, 20], ascii('PRES ').toString('hex'), { type: 'PRES', encResponse: ascii('') }],
  [
    'MSG',
    [6, 20],
    concat('MSG ', short('id'), 'body').toString('hex'),
    { type: 'MSG', msgId: 'id' as MsgId, body: ascii('body') },
  ],
]

describe('replies', () => {
  it.each(known.flatMap(([name, versions, encoded, reply]) => versions.map((v) => [name, v, encoded, reply] as const)))(
    '%s (here at v%i) have known bytes',
    (_name, version, encoded, reply) => {
      expect(encodeReply(reply, version).toString('hex')).toBe(encoded)
      expect(parseReply(hex(encoded), version)).toEqual(reply)
    },
  )

  it('of this table cover every word of the protocol', () => {
    expect(new Set(known.map(([, , , reply]) => reply.type)).size).toBe(19)
  })

  it('of later versions are told to older clients in their own words', () => {
    const words = (reply: Reply): string[] =>
      [6, 9, 10, 15, 16, 20].map((version) => encodeReply(reply, version).toString('latin1'))
    expect(words({ type: 'SOK' })).toEqual(['OK', 'OK', 'OK', 'OK', 'SOK 0', 'SOK 0'])
    expect(words({ type: 'SOK', serviceId }).slice(0, 4)).toEqual(['OK', 'OK', 'OK', 'OK'])
    expect(words({ type: 'DELD' })).toEqual(['END', 'END', 'DELD', 'DELD', 'DELD', 'DELD'])
  })

  it('of a contact queue say F, or F for no mode at all, at v9..14', () => {
    expect(encodeReply({ ...queue, queueMode: 'C' }, 9).subarray(-1)).toEqual(ascii('F'))
    expect(encodeReply(queue, 14).subarray(-1)).toEqual(ascii('F'))
  })

  it.each([
    ['an unknown word', 20, 'HELLO'],
    ['a command', 20, 'SUB'],
    ['nothing', 20, ''],
    ['a word with a space after it', 20, 'OK '],
    ['a reply with bytes left over', 20, 'SOK 0x'],
    ['ENDS without its hash', 19, `ENDS ${'\0'.repeat(8)}`],
    ['JSON that is not UTF-8', 20, 'INFO \xff'],
  ])('%s is none (v%i)', (_name, version, text) => {
    expect(parseReply(ascii(text), version)).toBeUndefined()
  })

  it('come with an entity id or without as clients want them', () => {
    const known = (['PONG', 'PKEY', 'RRES', 'ALLS', 'RNAME'] as const).map((type) => [
      mayHaveEntity(type, false),
      mayHaveEntity(type, true),
    ])
    expect(known).toEqual(known.map(() => [true, false]))
    expect([mayHaveEntity('OK', false), mayHaveEntity('OK', true)]).toEqual([false, true])
    expect([mayHaveEntity('ERR', false), mayHaveEntity('IDS', true), mayHaveEntity('IDS', false)]).toEqual([
      true,
      true,
      true,
    ])
  })
})

describe('a reply and its transmission', () => {
  const sessionId = hex(vectors.authorization.sessionId)
  const corrId = hex(vectors.authorization.corrId)

  it.each([6, 7, 20])('written in one go are the same bytes (v%i)', (version) => {
    const context = transmissionContext(version, sessionId)
    for (const [, versions, , reply] of known) {
      if (!versions.includes(version)) continue
      const message = encodeReply(reply, version)
      expect(encodeReplyTransmission(corrId, rcvId, reply, context)).toEqual(
        encodeTransmission(corrId, rcvId, message, context),
      )
    }
  })

  it('of a message take 16178 bytes', () => {
    const reply: Reply = { type: 'MSG', msgId: id<MsgId>('11'.repeat(24)), body: Buffer.alloc(16122) }
    const bytes = encodeReplyTransmission(Buffer.alloc(0), rcvId, reply, transmissionContext(7, sessionId))
    expect(bytes).toHaveLength(16178)
  })

  it('are a vector of the hello for PKEY', () => {
    expect(hello.slice(8 + 66)).toBe(replies.PKEY.slice(10 + 66 + 8))
  })
})
