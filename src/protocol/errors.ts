import { readBlockingInfo, writeBlockingInfo, type BlockingInfo } from './blocking-info.ts'
import { readBrokerError, writeBrokerError, type BrokerError } from './broker-error.ts'
import { parseWhole, refuse, type Reader } from './reader.ts'
import { since } from './versions.ts'
import { Writer } from './writer.ts'

const PLAIN = [
  'BLOCK',
  'SESSION',
  'AUTH',
  'SERVICE',
  'CRYPTO',
  'QUOTA',
  'EXPIRED',
  'NO_MSG',
  'LARGE_MSG',
  'INTERNAL',
  'DUPLICATE_',
] as const
const COMMAND = ['UNKNOWN', 'SYNTAX', 'PROHIBITED', 'NO_AUTH', 'HAS_AUTH', 'NO_ENTITY', 'NO_QUEUE'] as const

export type CommandErrorCode = (typeof COMMAND)[number]

/** What is wrong with a command itself: its word, its parameters, its credentials, its place. */
export interface CommandError {
  readonly type: 'CMD'
  readonly error: CommandErrorCode
}

export type NameError =
  { readonly type: 'NO_RESOLVER' | 'NOT_FOUND' } | { readonly type: 'RESOLVER'; readonly message: string }

/** What a proxy answers when a forwarded command failed (SMP commands §7.2). */
export type ProxyError =
  | { readonly type: 'BASIC_AUTH' | 'NO_SESSION' }
  | { readonly type: 'PROTOCOL'; readonly error: SmpError }
  | { readonly type: 'BROKER'; readonly error: BrokerError }

/** Everything that can follow `ERR` (SMP commands §7.1). */
export type SmpError =
  | { readonly type: (typeof PLAIN)[number] }
  | CommandError
  | { readonly type: 'PROXY'; readonly error: ProxyError }
  | ({ readonly type: 'BLOCKED' } & BlockingInfo)
  | { readonly type: 'STORE'; readonly message: string }
  | { readonly type: 'NAME'; readonly error: NameError }

export function commandError(error: CommandErrorCode): CommandError {
  return { type: 'CMD', error }
}

export function encodeSmpError(error: SmpError, version: number): Buffer {
  const w = new Writer()
  writeSmpError(w, error, version)
  return w.done()
}

export function parseSmpError(bytes: Buffer): SmpError | undefined {
  return parseWhole(bytes, readSmpError)
}

/**
 *     error     = "BLOCK" / "SESSION" / "AUTH" / "SERVICE" / "CRYPTO" / "QUOTA" / "EXPIRED" / "NO_MSG" / "LARGE_MSG"
 *               / "INTERNAL" / "DUPLICATE_"
 *               / "CMD" SP commandError / "PROXY" SP proxyError / "BLOCKED" SP blockingInfo / "STORE" SP text
 *               / "NAME" SP nameError
 *     nameError = "NO_RESOLVER" / "NOT_FOUND" / "RESOLVER" SP text
 */
export function readSmpError(r: Reader): SmpError {
  const word = r.word()
  const plain = PLAIN.find((known) => known === word)
  if (plain !== undefined) return { type: plain }
  r.space()
  switch (word) {
    case 'CMD':
      return commandError(readCommandErrorCode(r))
    case 'PROXY':
      return { type: word, error: readProxyError(r) }
    case 'BLOCKED':
      return { type: word, ...readBlockingInfo(r) }
    case 'STORE':
      return { type: word, message: r.tailText() }
    case 'NAME':
      return { type: word, error: readNameError(r) }
    default:
      return refuse()
  }
}

/** Versions below 12 do not know BLOCKED and get AUTH. */
export function writeSmpError(w: Writer, error: SmpError, version: number): void {
  if (error.type === 'BLOCKED' && version < since.blockedError) {
    w.ascii('AUTH')
    return
  }
  w.ascii(error.type)
  switch (error.type) {
    case 'CMD':
      w.space().ascii(error.error)
      break
    case 'PROXY':
      writeProxyError(w.space(), error.error, version)
      break
    case 'BLOCKED':
      writeBlockingInfo(w.space(), error, version)
      break
    case 'STORE':
      w.space().text(error.message)
      break
    case 'NAME':
      writeNameError(w.space(), error.error)
      break
  }
}

function readCommandErrorCode(r: Reader): CommandErrorCode {
  const word = r.word()
  return COMMAND.find((known) => known === word) ?? refuse()
}

/**
 *     proxyError = "BASIC_AUTH" / "NO_SESSION" / "PROTOCOL" SP error / "BROKER" SP brokerError
 */
function readProxyError(r: Reader): ProxyError {
  const word = r.word()
  switch (word) {
    case 'BASIC_AUTH':
    case 'NO_SESSION':
      return { type: word }
    case 'PROTOCOL':
      r.space()
      return { type: word, error: readSmpError(r) }
    case 'BROKER':
      r.space()
      return { type: word, error: readBrokerError(r) }
    default:
      return refuse()
  }
}

function writeProxyError(w: Writer, error: ProxyError, version: number): void {
  w.ascii(error.type)
  if (error.type === 'PROTOCOL') writeSmpError(w.space(), error.error, version)
  if (error.type === 'BROKER') writeBrokerError(w.space(), error.error)
}

function readNameError(r: Reader): NameError {
  const word = r.word()
  if (word === 'NO_RESOLVER' || word === 'NOT_FOUND') return { type: word }
  if (word !== 'RESOLVER') refuse()
  r.space()
  return { type: word, message: r.tailText() }
}

function writeNameError(w: Writer, error: NameError): void {
  w.ascii(error.type)
  if (error.type === 'RESOLVER') w.space().text(error.message)
}
