import { decodeSpki } from '../../src/crypto/keys.ts'
import { openPadded, boxKey } from '../../src/crypto/box.ts'
import { unpad } from '../../src/crypto/pad.ts'
import { decodeSignedKey } from '../../src/crypto/signed-key.ts'
import { verifyChain } from '../../src/crypto/x509.ts'
import { encodeCommand, parseCommand } from '../../src/protocol/command.ts'
import { commandTable } from '../../src/protocol/command-table.ts'
import { encodeSmpError, parseSmpError } from '../../src/protocol/errors.ts'
import { parseClientHello, parseServerHello, parseServiceResponse } from '../../src/protocol/hello.ts'
import { parseFwdResponse, parseFwdTransmission } from '../../src/protocol/proxy-messages.ts'
import { encodeReply, parseReply } from '../../src/protocol/reply.ts'
import { parsePayload, parseTransmission, transmissionContext } from '../../src/protocol/transmission.ts'
import type { Seeds } from './seeds.ts'

/** A pure function that has to take any bytes at any version without an exception. */
export interface Target {
  readonly name: string
  readonly seeds: readonly [Buffer, ...Buffer[]]
  /** How often, in relation to the others. */
  readonly weight: number
  readonly run: (input: Buffer, version: number) => void
}

const words = Object.keys(commandTable).map((word) => Buffer.from(word))
const sessionId = Buffer.alloc(32, 7)
const contexts = Array.from({ length: 64 }, (_, version) => transmissionContext(version, sessionId))
const contextOf = (version: number) => contexts[version] ?? transmissionContext(version, sessionId)
const key = boxKey(Buffer.alloc(32, 9))
const nonce = Buffer.alloc(24, 5)
const now = new Date('2026-01-01')

/** A payload, its transmissions, their commands: as a relay reads a block. */
const readPayload = (payload: Buffer, version: number): void => {
  for (const bytes of parsePayload(payload) ?? []) {
    const parsed = parseTransmission(bytes, contextOf(version))
    if (parsed.type === 'transmission') readCommand(parsed.command, version)
  }
}

/** What was understood can be said again, and is understood in the same way. */
const readCommand = (bytes: Buffer, version: number): void => {
  const command = parseCommand(bytes, version)
  if (command.type === 'error') return
  const again = parseCommand(encodeCommand(command, version), version)
  if (again.type !== command.type) throw new Error(`${command.type} became ${again.type}`)
}

const readReply = (bytes: Buffer, version: number): void => {
  const reply = parseReply(bytes, version)
  if (reply) encodeReply(reply, version)
}

const readError = (bytes: Buffer, version: number): void => {
  const error = parseSmpError(bytes)
  if (error) encodeSmpError(error, version)
}

/** A list of certificates, cut anywhere. */
const readChain = (bytes: Buffer): void => {
  const cut = (bytes[0] ?? 0) % (bytes.length + 1)
  verifyChain([bytes], now)
  verifyChain([bytes.subarray(0, cut), bytes.subarray(cut)], now)
}

const payloadOf = (transmission: Buffer): Buffer =>
  Buffer.concat([Buffer.of(1, transmission.length >> 8, transmission.length & 0xff), transmission])

/** An error as it follows `ERR `. */
const withoutWord = (reply: Buffer): Buffer => reply.subarray(4)

export const targetsFor = (seeds: Seeds): readonly Target[] => {
  const commands: Target['seeds'] = [...seeds.under('commands'), ...words]
  const transmissions = seeds.under('authorization', 'proxy')
  const payloads: Target['seeds'] = [...seeds.under('proxy', 'blockEncryption'), ...transmissions.map(payloadOf)]
  const [error, ...errors] = seeds.under('replies.ERR_PROXY_RESPONSE', 'replies.ERR_AUTH')
  const hellos = seeds.under('handshake')
  const keys = seeds.under('signedKey', 'upstreamKeys', 'spki', 'upstreamFixtures')
  return [
    { name: 'parseCommand', seeds: commands, weight: 30, run: readCommand },
    { name: 'parsePayload', seeds: payloads, weight: 25, run: readPayload },
    {
      name: 'parseTransmission',
      seeds: transmissions,
      weight: 15,
      run: (input, version) => {
        parseTransmission(input, contextOf(version))
      },
    },
    { name: 'parseReply', seeds: seeds.under('replies', 'notification'), weight: 10, run: readReply },
    { name: 'parseSmpError', seeds: [withoutWord(error), ...errors.map(withoutWord)], weight: 4, run: readError },
    {
      name: 'parseClientHello',
      seeds: hellos,
      weight: 5,
      run: (input) => {
        parseClientHello(input)
      },
    },
    {
      name: 'parseServerHello',
      seeds: hellos,
      weight: 4,
      run: (input) => {
        parseServerHello(input)
        parseServiceResponse(input)
      },
    },
    {
      name: 'parseFwdTransmission',
      seeds: transmissions,
      weight: 4,
      run: (input) => {
        parseFwdTransmission(input)
        parseFwdResponse(input)
      },
    },
    {
      name: 'unpad and open',
      seeds: payloads,
      weight: 1,
      run: (input) => {
        unpad(input)
        openPadded(key, nonce, input)
      },
    },
    {
      name: 'decodeSpki',
      seeds: keys,
      weight: 1,
      run: (input) => {
        decodeSpki(input)
        decodeSignedKey(input)
      },
    },
    { name: 'verifyChain', seeds: seeds.under('upstreamFixtures'), weight: 1, run: readChain },
  ]
}
