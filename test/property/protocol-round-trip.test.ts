import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeCommand, parseCommand, type CommandType } from '../../src/protocol/command.ts'
import { encodeSmpError, parseSmpError } from '../../src/protocol/errors.ts'
import {
  encodeClientHello,
  encodeServerHello,
  encodeServiceResponse,
  parseClientHello,
  parseServerHello,
  parseServiceResponse,
  type ServiceResponse,
} from '../../src/protocol/hello.ts'
import type { MsgId, RcvId, ServiceId } from '../../src/protocol/ids.ts'
import {
  encodeNotificationMeta,
  messagePlaintext,
  parseMessagePlaintext,
  parseNotificationMeta,
  quotaPlaintext,
} from '../../src/protocol/message-body.ts'
import {
  encodeFwdResponse,
  encodeFwdTransmission,
  parseFwdResponse,
  parseFwdTransmission,
} from '../../src/protocol/proxy-messages.ts'
import { encodeReply, parseReply, type ReplyType } from '../../src/protocol/reply.ts'
import { formatServerAddress, parseServerAddress } from '../../src/protocol/server-address.ts'
import {
  encodeTransmission,
  packBlocks,
  parsePayload,
  parseTransmission,
  transmissionContext,
} from '../../src/protocol/transmission.ts'
import { since } from '../../src/protocol/versions.ts'
import {
  bytes,
  clientHello,
  commands,
  dhKey,
  id,
  replies,
  serverAddress,
  serverHello,
  smpError,
  transportError,
  versions,
} from './protocol-values.ts'

const commandTypes = Object.keys(commands) as CommandType[]
const replyTypes = Object.keys(replies) as ReplyType[]
const version = fc.constantFrom(...versions)
const RUNS = { numRuns: 40 }

const same = (parsed: unknown, value: unknown): void => {
  expect(parsed).toEqual(value)
}

describe('what was encoded is parsed to the same value', () => {
  it.each(commandTypes)('%s, at every version', (type) => {
    for (const v of versions) {
      const property = fc.property(commands[type](v), (command) => {
        expect(parseCommand(encodeCommand(command, v), v)).toEqual(command)
      })
      fc.assert(property, RUNS)
    }
  })

  const firstVersions: Partial<Record<ReplyType, number>> = { SOK: since.services, DELD: since.deletedEvent }
  it.each(replyTypes)('%s, at every version that has it', (type) => {
    for (const v of versions.filter((each) => each >= (firstVersions[type] ?? 0))) {
      const property = fc.property(replies[type](v), (reply) => {
        expect(parseReply(encodeReply(reply, v), v)).toEqual(reply)
      })
      fc.assert(property, RUNS)
    }
  })

  it('errors', () => {
    for (const v of versions) {
      fc.assert(fc.property(smpError(v), (error) => same(parseSmpError(encodeSmpError(error, v)), error)))
    }
  })

  it('hellos, whatever follows them', () => {
    const relay = fc.property(serverHello, bytes(8), (hello, rest) => {
      expect(parseServerHello(Buffer.concat([encodeServerHello(hello), rest]))).toEqual(hello)
    })
    fc.assert(relay)
    for (const v of versions) {
      const client = fc.property(clientHello(v), (hello) => {
        expect(parseClientHello(Buffer.concat([encodeClientHello(hello), Buffer.from('####')]))).toEqual(hello)
      })
      fc.assert(client, RUNS)
    }
  })

  it('responses to services', () => {
    const response: fc.Arbitrary<ServiceResponse> = fc.oneof(
      id<ServiceId>().map((serviceId) => ({ type: 'R' as const, serviceId })),
      transportError.map((error) => ({ type: 'E' as const, error })),
    )
    fc.assert(fc.property(response, (value) => same(parseServiceResponse(encodeServiceResponse(value)), value)))
  })

  it('addresses of relays', () => {
    fc.assert(fc.property(serverAddress, (address) => same(parseServerAddress(formatServerAddress(address)), address)))
  })

  it('messages, quota markers and notifications', () => {
    const message = fc.record({
      type: fc.constant('message' as const),
      timestamp: fc.nat(),
      notify: fc.boolean(),
      body: bytes(500),
    })
    fc.assert(fc.property(message, (value) => same(parseMessagePlaintext(messagePlaintext(value)), value)))
    const marker = fc.property(fc.maxSafeInteger(), (timestamp) => {
      expect(parseMessagePlaintext(quotaPlaintext(timestamp))).toEqual({ type: 'quota', timestamp })
    })
    fc.assert(marker)
    const meta = fc.record({ msgId: id<MsgId>(), timestamp: fc.maxSafeInteger() })
    fc.assert(fc.property(meta, (value) => same(parseNotificationMeta(encodeNotificationMeta(value)), value)))
  })

  it('forwarded commands and their responses', () => {
    const forwarded = fc.record({
      corrId: bytes(255),
      version: fc.nat(0xffff),
      key: dhKey,
      encTransmission: bytes(100),
    })
    fc.assert(fc.property(forwarded, (value) => same(parseFwdTransmission(encodeFwdTransmission(value)), value)))
    const response = fc.record({ corrId: bytes(255), encResponse: bytes(100) })
    fc.assert(fc.property(response, (value) => same(parseFwdResponse(encodeFwdResponse(value)), value)))
  })

  it('transmissions, with what was signed', () => {
    const authorization = fc.constantFrom(64, 80, 114).chain((length) => bytes(length, length))
    const property = fc.property(
      version,
      bytes(255),
      bytes(255),
      id<RcvId>(),
      bytes(100),
      authorization,
      fc.option(bytes(64, 64)),
      (v, sessionId, corrId, entityId, command, signature, own) => {
        const context = transmissionContext(v, sessionId)
        const serviceSignature = own !== null && context.serviceAuth ? own : undefined
        const signatures = { authorization: signature, ...(serviceSignature && { serviceSignature }) }
        const parsed = parseTransmission(encodeTransmission(corrId, entityId, command, context, signatures), context)
        const lengthPrefixed = [sessionId, corrId, Buffer.from(entityId, 'latin1')].flatMap((part) => [
          Buffer.from([part.length]),
          part,
        ])
        expect(parsed).toMatchObject({ type: 'transmission', corrId, entityId, command })
        expect(parsed).toMatchObject(serviceSignature ? { serviceSignature } : {})
        expect(parsed).toHaveProperty('authorized', Buffer.concat([...lengthPrefixed, command]))
      },
    )
    fc.assert(property)
  })

  it('blocks, in order, and with as much in each as fits behind the first', () => {
    const lengths = fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 4000, max: 16363 })), {
      maxLength: 300,
    })
    const property = fc.property(lengths, (sizes) => {
      const transmissions = sizes.map((size, index) => Buffer.alloc(size, index))
      const payloads = packBlocks(transmissions)
      const blocks = payloads.map((payload) => parsePayload(payload) ?? [])
      expect(blocks.flat().every((part, index) => part.equals(transmissions[index] ?? Buffer.alloc(0)))).toBe(true)
      expect(blocks.flat()).toHaveLength(transmissions.length)
      expect(payloads.every((payload) => payload.length <= 16366)).toBe(true)
      const full = blocks.slice(1).every((block, index) => {
        const before = blocks[index]?.at(-1)?.length ?? 0
        const sum = block.reduce((total, part) => total + part.length + 2, 0)
        return block.length === 255 || sum + before + 2 > 16365
      })
      expect(full).toBe(true)
    })
    fc.assert(property, { numRuns: 60 })
  })
})
