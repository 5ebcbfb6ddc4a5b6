import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeCommand, parseCommand, type CommandType } from '../../src/protocol/command.ts'
import { parseSmpError } from '../../src/protocol/errors.ts'
import {
  encodeClientHello,
  encodeServerHello,
  encodeServiceResponse,
  parseClientHello,
  parseServerHello,
  parseServiceResponse,
} from '../../src/protocol/hello.ts'
import type { MsgId, NotifierId, RcvId } from '../../src/protocol/ids.ts'
import {
  encodeNotificationMeta,
  messagePlaintext,
  parseMessagePlaintext,
  parseNotificationMeta,
  quotaPlaintext,
} from '../../src/protocol/message-body.ts'
import { parseName } from '../../src/protocol/names.ts'
import {
  encodeFwdResponse,
  encodeFwdTransmission,
  parseFwdResponse,
  parseFwdTransmission,
} from '../../src/protocol/proxy-messages.ts'
import { encodeReply, encodeReplyTransmission, parseReply, type ReplyType } from '../../src/protocol/reply.ts'
import { parseServerAddress } from '../../src/protocol/server-address.ts'
import {
  encodeTransmission,
  packBlocks,
  parsePayload,
  parseTransmission,
  transmissionContext,
} from '../../src/protocol/transmission.ts'
import { bytes, clientHello, commands, dhKey, id, replies, serverHello, text, versions } from './protocol-values.ts'

const commandTypes = Object.keys(commands) as CommandType[]
const replyTypes = Object.keys(replies) as ReplyType[]
const version = fc.constantFrom(...versions)
describe('every truncation and every flipped bit is parsed or refused, and nothing beyond the end is read', () => {
  it.each(commandTypes)('%s', (type) => {
    const property = fc.property(
      version.chain((v) => fc.tuple(fc.constant(v), commands[type](v))),
      ([v, command]) => {
        parseDamaged(encodeCommand(command, v), (input) => parseCommand(input, v))
      },
    )
    fc.assert(property, { numRuns: 5 })
  })

  it.each(replyTypes)('%s', (type) => {
    const property = fc.property(
      version.chain((v) => fc.tuple(fc.constant(v), replies[type](v))),
      ([v, reply]) => {
        parseDamaged(encodeReply(reply, v), (input) => parseReply(input, v))
      },
    )
    fc.assert(property, { numRuns: 5 })
  })

  it('hellos and responses to services', () => {
    fc.assert(
      fc.property(serverHello, (hello) => parseDamaged(encodeServerHello(hello), (input) => parseServerHello(input))),
      { numRuns: 5 },
    )
    const client = fc.property(version.chain(clientHello), (hello) => {
      parseDamaged(encodeClientHello(hello), (input) => parseClientHello(input))
    })
    fc.assert(client, { numRuns: 10 })
    parseDamaged(encodeServiceResponse({ type: 'E', error: { type: 'HANDSHAKE', error: 'BAD_AUTH' } }), (input) =>
      parseServiceResponse(input),
    )
  })

  it('transmissions and payloads', () => {
    for (const v of [6, 7, 16, 20]) {
      const context = transmissionContext(v, Buffer.alloc(32, 1))
      const command = encodeCommand({ type: 'SEND', notify: true, body: Buffer.from('hello') }, v)
      const transmission = encodeTransmission(Buffer.alloc(24, 2), 'entity' as NotifierId, command, context, {
        authorization: Buffer.alloc(64, 3),
        ...(v >= 16 && { serviceSignature: Buffer.alloc(64, 4) }),
      })
      parseDamaged(transmission, (input) => parseTransmission(input, context))
      for (const payload of packBlocks([transmission, transmission]))
        parseDamaged(payload, (input) => parsePayload(input))
    }
  })

  it('messages, notifications and forwarded commands', () => {
    parseDamaged(
      messagePlaintext({ timestamp: 1, notify: true, body: Buffer.from('hello') }).subarray(0, 40),
      (input) => parseMessagePlaintext(input),
    )
    parseDamaged(quotaPlaintext(1).subarray(0, 16), (input) => parseMessagePlaintext(input))
    parseDamaged(encodeNotificationMeta({ msgId: 'id' as MsgId, timestamp: 1 }), (input) =>
      parseNotificationMeta(input),
    )
    const forwarded = fc.property(dhKey, (key) => {
      parseDamaged(
        encodeFwdTransmission({ corrId: Buffer.alloc(24), version: 20, key, encTransmission: Buffer.alloc(8) }),
        (input) => parseFwdTransmission(input),
      )
    })
    fc.assert(forwarded, { numRuns: 5 })
    parseDamaged(encodeFwdResponse({ corrId: Buffer.alloc(24), encResponse: Buffer.alloc(8) }), (input) =>
      parseFwdResponse(input),
    )
  })

  it('a command without a tail is refused when it is truncated, or goes on', () => {
    const types = ['NEW', 'KEY', 'RKEY', 'LSET', 'NKEY', 'ACK', 'SKEY', 'LKEY', 'PRXY', 'SUBS', 'NSUBS'] as const
    for (const type of types) {
      const property = fc.property(commands[type](20), (command) => {
        const encoded = encodeCommand(command, 20)
        for (let length = 0; length < encoded.length; length++) {
          expect(parseCommand(encoded.subarray(0, length), 20).type).not.toBe(type)
        }
        expect(parseCommand(Buffer.concat([encoded, Buffer.from('x')]), 20).type).toBe('error')
      })
      fc.assert(property, { numRuns: 10 })
    }
  })
})

describe('any bytes at all', () => {
  const words = fc.constantFrom(...commandTypes, ...replyTypes)
  const input = fc.oneof(
    bytes(300),
    fc.tuple(words, bytes(300)).map(([word, rest]) => Buffer.concat([Buffer.from(`${word} `), rest])),
  )

  it('are parsed or refused', () => {
    const property = fc.property(version, input, (v, raw) => {
      const context = transmissionContext(v, Buffer.alloc(32))
      const parsers = [
        parseServerHello,
        parseClientHello,
        parseServiceResponse,
        parsePayload,
        parseSmpError,
        parseMessagePlaintext,
        parseFwdTransmission,
      ]
      parsers.forEach((parse) => parseSafely(raw, parse))
      parseSafely(raw, (bytes) => parseTransmission(bytes, context))
      parseSafely(raw, (bytes) => parseCommand(bytes, v))
      parseSafely(raw, (bytes) => parseReply(bytes, v))
    })
    fc.assert(property, { numRuns: 2000 })
  })

  it('and any text', () => {
    const property = fc.property(text, (raw) => {
      expect(() => [parseName(raw), parseServerAddress(raw)]).not.toThrow()
    })
    fc.assert(property)
  })

  it('that parse as a command are that command again when they are encoded', () => {
    const property = fc.property(version, input, (v, raw) => {
      const parsed = parseCommand(raw, v)
      if (parsed.type === 'error') return
      expect(parseCommand(encodeCommand(parsed, v), v)).toEqual(parsed)
    })
    fc.assert(property, { numRuns: 1000 })
  })

  it('that parse as a reply are that reply again when they are sent on', () => {
    const property = fc.property(version, id<RcvId>(), input, (v, entityId, raw) => {
      const parsed = parseReply(raw, v)
      // These are told to some versions in other words.
      if (parsed === undefined || ['SOK', 'DELD', 'ERR'].includes(parsed.type)) return
      const context = transmissionContext(v, Buffer.alloc(32))
      const transmission = parseTransmission(
        encodeReplyTransmission(Buffer.alloc(0), entityId, parsed, context),
        context,
      )
      expect(transmission.type === 'transmission' && parseReply(transmission.command, v)).toEqual(parsed)
    })
    fc.assert(property, { numRuns: 1000 })
  })
})

const FENCE = 0xa7

/** Parses the input twice: alone, and with other bytes around it as in a block. Both must come to the same. */
function parseSafely(raw: Buffer, parse: (input: Buffer) => unknown): void {
  const alone = Buffer.alloc(raw.length)
  const memory = Buffer.alloc(raw.length + 64, FENCE)
  raw.copy(alone)
  raw.copy(memory, 32)
  const [value, fenced] = [alone, memory.subarray(32, 32 + raw.length)].map((input) => parse(input))
  if (!isDeepStrictEqual(value, fenced)) throw new Error(`read past the end of ${raw.toString('hex')}`)
}

/** Every truncation and every single flipped bit. */
function parseDamaged(encoded: Buffer, parse: (input: Buffer) => unknown): void {
  for (let length = 0; length < encoded.length; length++) parseSafely(encoded.subarray(0, length), parse)
  for (let bit = 0; bit < 8 * encoded.length; bit++) {
    const copy = Buffer.from(encoded)
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    parseSafely(copy, parse)
  }
}
