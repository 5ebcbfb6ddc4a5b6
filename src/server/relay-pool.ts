import { idFromBytes, type RelayId } from '../protocol/ids.ts'
import type { RelayAddress } from '../protocol/server-address.ts'
import { FULL_RANGE } from '../protocol/versions.ts'
import { connectRelay, type ConnectOptions } from '../transport/client.ts'
import type { ConnectFailure } from '../transport/failure.ts'
import type { RelayClient } from '../transport/relay-client.ts'
import type { Routing } from '../transport/route.ts'
import { ConnectionAttempts, type AttemptLimits } from './connection-attempts.ts'

export interface RelayPoolOptions {
  /** The route to a destination; asked for each connection, so that each can have a circuit of its own. */
  readonly routing: () => Routing
  readonly now: () => number
  /** Milliseconds. */
  readonly timeouts?: Partial<PoolTimeouts>
  readonly lookup?: ConnectOptions['lookup']
  /** Whether clients may have it connect to hosts that are not on the public internet. */
  readonly allowPrivate?: boolean
  readonly limits?: Partial<PoolLimits>
}

export interface PoolTimeouts {
  /** For connecting, and for waiting for an attempt under way. */
  readonly connect: number
  readonly request: number
  /** How long a failure is answered without a new attempt. */
  readonly failure: number
  /** After which an unused connection is closed. */
  readonly idle: number
}

export interface PoolLimits extends AttemptLimits {
  /** Connections; also the number of failures that are remembered. */
  readonly relays: number
}

const TIMEOUTS: PoolTimeouts = { connect: 45_000, request: 30_000, failure: 30_000, idle: 1_800_000 }
const LIMITS: PoolLimits = { relays: 4096, attempts: 512, attemptsPerClient: 16 }
/** Forwarded commands of all clients that may wait for one relay at once. */
const MAX_IN_FLIGHT = 4096

/** A connection to another relay. */
export interface PooledRelay {
  readonly relayId: RelayId
  readonly client: RelayClient
  readonly address: RelayAddress
  usedAt: number
  /** When it last answered. */
  answeredAt: number
}

export type PoolResult = PooledRelay | { readonly failure: ConnectFailure | 'full' }

interface Failed {
  readonly failure: ConnectFailure
  readonly until: number
}

/**
 * The connections of this relay to others: one per destination, opened on demand, shared by all clients, closed when
 * idle. Attempts, connections and remembered failures have limits of their own, so that none of them takes the place of
 * another: only a connection that works can replace one that nobody has used for longer.
 */
export class RelayPool {
  #options: RelayPoolOptions
  readonly #timeouts: PoolTimeouts
  readonly #limits: PoolLimits
  readonly #connected = new Map<string, PooledRelay>()
  readonly #byId = new Map<RelayId, PooledRelay>()
  readonly #failed = new Map<string, Failed>()
  readonly #attempts: ConnectionAttempts<PoolResult>
  readonly #closing = new AbortController()

  constructor(options: RelayPoolOptions) {
    this.#options = options
    this.#timeouts = { ...TIMEOUTS, ...options.timeouts }
    this.#limits = { ...LIMITS, ...options.limits }
    this.#attempts = new ConnectionAttempts(this.#limits, options.now)
  }

  /** The connection with the session id that a client got with PKEY. */
  connected(relayId: RelayId): PooledRelay | undefined {
    const relay = this.#byId.get(relayId)
    if (relay !== undefined) relay.usedAt = this.#options.now()
    return relay
  }

  /** What is known without waiting: the connection, or why the last attempt failed. */
  known(address: RelayAddress): PoolResult | undefined {
    const key = keyOf(address)
    const now = this.#options.now()
    const relay = this.#connected.get(key)
    if (relay !== undefined) {
      relay.usedAt = now
      return relay
    }
    const failed = this.#failed.get(key)
    return failed !== undefined && now < failed.until ? { failure: failed.failure } : undefined
  }

  /**
   * Returns what is known, or waits for an attempt under way, or connects.
   *
   * @param client for whom, as far as limits are concerned
   */
  async connect(address: RelayAddress, client: object): Promise<PoolResult> {
    const key = keyOf(address)
    const result = await this.#attempts.run(
      key,
      client,
      () => this.known(address),
      (signal) => this.#open(key, address, signal),
    )
    return result ?? { failure: 'full' }
  }

  /** Closes unused connections, and forgets old failures. */
  expire(): void {
    const now = this.#options.now()
    for (const [key, { until }] of this.#failed) if (now >= until) this.#failed.delete(key)
    for (const { client, usedAt, address } of this.#byId.values()) {
      const idle = this.#connected.has(keyOf(address)) ? this.#timeouts.idle : 0
      if (client.inFlight === 0 && now - usedAt >= idle) client.close()
    }
  }

  /** Connects in another way from now on. Present connections end as soon as nothing waits for them. */
  reroute(changed: Pick<RelayPoolOptions, 'routing' | 'allowPrivate'>): void {
    this.#options = { ...this.#options, ...changed }
    this.#connected.clear()
    this.#failed.clear()
    this.expire()
  }

  close(): void {
    this.#closing.abort()
    for (const { client } of this.#byId.values()) client.close()
  }

  async #open(key: string, address: RelayAddress, signal: AbortSignal): Promise<PoolResult> {
    const { lookup, allowPrivate, routing, now } = this.#options
    const connection = await connectRelay(address, {
      proxy: true,
      range: FULL_RANGE,
      routing: routing(),
      publicOnly: allowPrivate !== true,
      timeoutMs: this.#timeouts.connect,
      requestTimeoutMs: this.#timeouts.request,
      maxInFlight: MAX_IN_FLIGHT,
      signal: AbortSignal.any([signal, this.#closing.signal]),
      ...(lookup && { lookup }),
    })
    if ('failure' in connection) {
      // A cancelled attempt says nothing about the relay.
      if (signal.aborted) return { failure: 'full' }
      this.#remember(key, connection.failure)
      return { failure: connection.failure }
    }
    const { client } = connection
    if (this.#closing.signal.aborted || !this.#makeRoom()) {
      client.close()
      return { failure: 'full' }
    }
    const relayId = idFromBytes<RelayId>(client.session.link.sessionId)
    const relay: PooledRelay = { relayId, client, address, usedAt: now(), answeredAt: now() }
    this.#failed.delete(key)
    this.#connected.set(key, relay)
    this.#byId.set(relayId, relay)
    void client.closed.then(() => this.#forget(key, relay))
    return relay
  }

  #remember(key: string, failure: ConnectFailure): void {
    // At the end, as the latest one.
    this.#failed.delete(key)
    this.#failed.set(key, { failure, until: this.#options.now() + this.#timeouts.failure })
    const [oldest] = this.#failed.keys()
    if (this.#failed.size > this.#limits.relays && oldest !== undefined) this.#failed.delete(oldest)
  }

  /** Closes the connection that was not used for longest, if there are as many as may be; false: all are in use. */
  #makeRoom(): boolean {
    if (this.#connected.size < this.#limits.relays) return true
    let oldest: { key: string; relay: PooledRelay } | undefined
    for (const [key, relay] of this.#connected) {
      if (relay.client.inFlight > 0) continue
      if (oldest === undefined || relay.usedAt < oldest.relay.usedAt) oldest = { key, relay }
    }
    if (oldest === undefined) return false
    oldest.relay.client.close()
    this.#forget(oldest.key, oldest.relay)
    return true
  }

  #forget(key: string, relay: PooledRelay): void {
    this.#byId.delete(relay.relayId)
    if (this.#connected.get(key) === relay) this.#connected.delete(key)
  }
}

function keyOf({ hosts, port, keyHash }: RelayAddress): string {
  return `${keyHash.toString('base64url')}@${hosts.join(',')}:${port}`
}
