import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { boxKey, seal, sealPadded } from '../../../src/crypto/box.ts'
import type { MsgId } from '../../../src/protocol/ids.ts'
import { maxMessageLength, MESSAGE_PLAINTEXT_SIZE } from '../../../src/protocol/limits.ts'
import {
  encodeNotificationMeta,
  messagePlaintext,
  parseMessagePlaintext,
  parseNotificationMeta,
  quotaPlaintext,
} from '../../../src/protocol/message-body.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { ascii, concat, hex, id, large } from './bytes.ts'

const { messageDelivery: delivery, notification } = vectors
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const message = { timestamp: delivery.ts, notify: true, body: ascii(delivery.bodyText) }

describe('what a recipient decrypts', () => {
  const encrypt = (plaintext: Buffer): Buffer =>
    seal(boxKey(hex(delivery.dhSecret)), hex(delivery.msgIdNonce), plaintext)

  it('is a message of known bytes', () => {
    const plaintext = messagePlaintext(message)
    expect(plaintext).toHaveLength(delivery.paddedLength)
    expect(plaintext.subarray(2, 17).toString('hex')).toBe(delivery.rcvMsgBodyUnpadded)
    expect(sha256(encrypt(plaintext))).toBe(delivery.encrypted.sha256)
    expect(parseMessagePlaintext(plaintext)).toEqual({ type: 'message', ...message })
  })

  it('is a quota marker of known bytes', () => {
    const plaintext = quotaPlaintext(delivery.ts)
    expect(plaintext.subarray(2, 16).toString('hex')).toBe(delivery.quotaUnpadded)
    expect(sha256(encrypt(plaintext))).toBe(delivery.quotaEncrypted.sha256)
    expect(parseMessagePlaintext(plaintext)).toEqual({ type: 'quota', timestamp: delivery.ts })
  })

  it('has the same length for every body that SEND allows', () => {
    for (const length of [0, 1, maxMessageLength(11), maxMessageLength(8), maxMessageLength(6)]) {
      const body = Buffer.alloc(length, 1)
      const plaintext = messagePlaintext({ timestamp: 0, notify: false, body })
      expect(plaintext).toHaveLength(MESSAGE_PLAINTEXT_SIZE)
      expect(parseMessagePlaintext(plaintext)).toEqual({ type: 'message', timestamp: 0, notify: false, body })
    }
  })

  it('may be written where it will be encrypted', () => {
    const box = Buffer.alloc(16 + MESSAGE_PLAINTEXT_SIZE)
    messagePlaintext(message, box.subarray(16))
    expect(box.subarray(16)).toEqual(messagePlaintext(message))
    quotaPlaintext(delivery.ts, box.subarray(16))
    expect(box.subarray(16)).toEqual(quotaPlaintext(delivery.ts))
  })

  it('is never longer: a body that does not fit is a bug', () => {
    expect(messagePlaintext({ timestamp: 0, notify: false, body: Buffer.alloc(16094) })).toHaveLength(16106)
    expect(() => messagePlaintext({ timestamp: 0, notify: false, body: Buffer.alloc(16095) })).toThrow(RangeError)
  })

  it('may be padded with anything', () => {
    const plaintext = concat(large(hex(delivery.rcvMsgBodyUnpadded)), Buffer.alloc(100, 9))
    expect(parseMessagePlaintext(plaintext)).toEqual({ type: 'message', ...message })
  })

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a length that is not there', hex('0003ffff')],
    ['no space', large(concat(Buffer.alloc(8), 'T'))],
    ['no flag', large(concat(Buffer.alloc(8), 'X '))],
  ])('is refused when it is %s', (_name, plaintext) => {
    expect(parseMessagePlaintext(plaintext)).toBeUndefined()
  })
})

describe('what a notifier decrypts', () => {
  const meta = { msgId: id<MsgId>(delivery.msgIdNonce), timestamp: delivery.ts }

  it('names the message and its time', () => {
    const bytes = encodeNotificationMeta(meta)
    expect(bytes.toString('hex')).toBe(notification.nMsgMeta)
    expect(parseNotificationMeta(bytes)).toEqual(meta)
    expect(
      sealPadded(boxKey(hex(notification.dhSecret)), hex(notification.nonce), bytes, notification.padded).toString(
        'hex',
      ),
    ).toBe(notification.encrypted144)
  })

  it('is refused when it is too short or too long', () => {
    const bytes = hex(notification.nMsgMeta)
    expect(parseNotificationMeta(bytes.subarray(0, -1))).toBeUndefined()
    expect(parseNotificationMeta(concat(bytes, '#'))).toBeUndefined()
  })
})

it('the largest body of SEND depends on the version', () => {
  expect([6, 7, 8, 10, 11, 20].map(maxMessageLength)).toEqual([16088, 16088, 16064, 16064, 16048, 16048])
})
