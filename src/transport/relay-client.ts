import { randomBytes } from 'node:crypto'
import { encodeCommand, type Command } from '../protocol/command.ts'
import { NO_ENTITY, type EntityId } from '../protocol/ids.ts'
import { NONCE_SIZE } from '../protocol/limits.ts'
import { parseReply, type Reply } from '../protocol/reply.ts'
import {
  authorizedBytes,
  encodeTransmission,
  packBlocks,
  parsePayload,
  parseTransmission,
  type Signatures,
} from '../protocol/transmission.ts'
import type { CloseReason } from './channel.ts'
import type { RelaySession } from './client-handshake.ts'

/** What a relay sent without having been asked. */
export interface RelayEvent {
  readonly entityId: EntityId
  readonly reply: Reply
}

export interface RelayClientOptions {
  /** For each request that does not say otherwise; 30 s when absent. */
  readonly requestTimeoutMs?: number
  /** Requests that may wait for their answers; 256 when absent. */
  readonly maxInFlight?: number
  readonly onEvent?: (event: RelayEvent) => void
}

export interface RequestOptions {
  readonly entityId?: EntityId
  /** 24 bytes that no other request has; random when absent. */
  readonly corrId?: Buffer
  /** Signs the bytes that an authorization covers. */
  readonly authorize?: (authorized: Buffer, corrId: Buffer) => Signatures
  readonly timeoutMs?: number
}

/**
 * `busy`: too many requests wait already; `tooLarge`: the command does not fit a block; `response`: the answer is not
 * one of SMP; `unexpected`: an answer for another entity.
 */
export type RequestFailure =
  | { readonly type: 'busy' | 'tooLarge' | 'timeout' | 'closed' }
  | { readonly type: 'response'; readonly bytes: Buffer }
  | { readonly type: 'unexpected'; readonly reply: Reply }

export type RequestResult = { readonly reply: Reply } | { readonly failure: RequestFailure }

interface Pending {
  readonly entityId: EntityId
  readonly timer: NodeJS.Timeout
  readonly resolve: (result: RequestResult) => void
}

const REQUEST_TIMEOUT_MS = 30_000
const MAX_IN_FLIGHT = 256

/** A connection to a relay: commands in, their replies and the relay's events out. */
export class RelayClient {
  readonly session: RelaySession
  /** Why the connection ended, when it has. */
  readonly closed: Promise<CloseReason>

  readonly #options: RelayClientOptions
  readonly #pending = new Map<string, Pending>()
  #isClosed = false

  /** Owns the channel of a complete handshake from now on. */
  constructor(session: RelaySession, options: RelayClientOptions = {}) {
    this.session = session
    this.#options = options
    this.closed = new Promise((resolve) => {
      session.link.channel.attach({
        block: (block) => this.#receive(block),
        drain: () => undefined,
        close: (reason) => {
          this.#end()
          resolve(reason)
        },
      })
    })
  }

  /** Requests that wait for their answers. */
  get inFlight(): number {
    return this.#pending.size
  }

  /** Sends one command; the reply may come in any order with those of other requests. Never rejects. */
  request(command: Command, options: RequestOptions = {}): Promise<RequestResult> {
    const { link } = this.session
    const { entityId = NO_ENTITY, corrId = randomBytes(NONCE_SIZE), authorize } = options
    const key = corrId.toString('latin1')
    if (this.#isClosed) return failed({ type: 'closed' })
    if (this.#pending.size >= (this.#options.maxInFlight ?? MAX_IN_FLIGHT) || this.#pending.has(key)) {
      return failed({ type: 'busy' })
    }
    const message = encodeCommand(command, link.version)
    const signatures = authorize?.(authorizedBytes(corrId, entityId, message, link.sessionId), corrId)
    const transmission = encodeTransmission(corrId, entityId, message, link.transmissionContext, signatures)
    const [payload] = packBlocks([transmission])
    if (payload === undefined) return failed({ type: 'tooLarge' })

    return new Promise((resolve) => {
      const timer = setTimeout(
        () => this.#settle(key, { failure: { type: 'timeout' } }),
        options.timeoutMs ?? this.#options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      )
      this.#pending.set(key, { entityId, timer, resolve })
      link.sendPayload(payload)
    })
  }

  /** Milliseconds until the answer to PING. */
  async ping(timeoutMs?: number): Promise<{ readonly ms: number } | { readonly failure: RequestFailure }> {
    const start = performance.now()
    const result = await this.request({ type: 'PING' }, timeoutMs === undefined ? {} : { timeoutMs })
    if ('failure' in result) return result
    if (result.reply.type !== 'PONG') return { failure: { type: 'unexpected', reply: result.reply } }
    return { ms: performance.now() - start }
  }

  close(): void {
    this.session.link.channel.close()
  }

  #receive(block: Buffer): void {
    const { link } = this.session
    const payload = link.openPayload(block)
    const transmissions = payload && parsePayload(payload)
    if (transmissions === undefined) {
      this.close()
      return
    }
    for (const bytes of transmissions) this.#receiveTransmission(bytes)
  }

  #receiveTransmission(bytes: Buffer): void {
    const { link } = this.session
    const parsed = parseTransmission(bytes, link.transmissionContext)
    if (parsed.type === 'error') return
    const reply = parseReply(parsed.command, link.version)
    if (parsed.corrId.length === 0) {
      if (reply !== undefined) this.#options.onEvent?.({ entityId: parsed.entityId, reply })
      return
    }
    const key = parsed.corrId.toString('latin1')
    const pending = this.#pending.get(key)
    if (pending === undefined) return
    if (reply === undefined) this.#settle(key, { failure: { type: 'response', bytes: Buffer.from(parsed.command) } })
    else if (parsed.entityId !== pending.entityId) this.#settle(key, { failure: { type: 'unexpected', reply } })
    else this.#settle(key, { reply })
  }

  #settle(key: string, result: RequestResult): void {
    const pending = this.#pending.get(key)
    if (pending === undefined) return
    this.#pending.delete(key)
    clearTimeout(pending.timer)
    pending.resolve(result)
  }

  #end(): void {
    this.#isClosed = true
    for (const key of [...this.#pending.keys()]) this.#settle(key, { failure: { type: 'closed' } })
  }
}

function failed(failure: RequestFailure): Promise<RequestResult> {
  return Promise.resolve({ failure })
}
