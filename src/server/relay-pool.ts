import { idFromBytes, type RelayId } from '../protocol/ids.ts'
import type { RelayAddress } from '../protocol/server-address.ts'
import { FULL_RANGE } from '../protocol/versions.ts'
import { connectRelay, type ConnectOptions } from '../transport/client.ts'
import type { ConnectFailure } from '../transport/failure.ts'
import type { RelayClient } from '../transport/relay-client.ts'
import type { Routing } from '../transport/route.ts'

export interface RelayPoolOptions {
  /** How a destination is reached; asked for each connection, so that each can have a circuit of its own. */
  readonly routing: () => Routing
  readonly now: () => number
  /** Milliseconds. */
  readonly timeouts?: Partial<PoolTimeouts>
  readonly lookup?: ConnectOptions['lookup']
  /** Destinations that are remembered at once, connected or failed; 4096 when absent. */
  readonly maxRelays?: number
}

export interface PoolTimeouts {
  /** For connecting, and for waiting until somebody else has connected. */
  readonly connect: number
  readonly request: number
  /** How long the failure of a connection is answered without trying again. */
  readonly failure: number
  /** After which a connection that nobody used is closed. */
  readonly idle: number
}

const TIMEOUTS: PoolTimeouts = { connect: 45_000, request: 30_000, failure: 30_000, idle: 1_800_000 }
const MAX_RELAYS = 4096

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

type Entry =
  | { readonly state: 'connecting'; readonly result: Promise<PoolResult> }
  | { readonly state: 'connected'; readonly relay: PooledRelay }
  | { readonly state: 'failed'; readonly failure: ConnectFailure; readonly until: number }

/** Forwarded commands of all clients that may wait for one relay at once. */
const MAX_IN_FLIGHT = 4096

/** The connections of this relay to others: one per destination, made on demand, shared by all clients, closed when idle. */
export class RelayPool {
  private readonly options: RelayPoolOptions
  private readonly timeouts: PoolTimeouts
  private readonly entries = new Map<string, Entry>()
  private readonly byId = new Map<RelayId, PooledRelay>()
  private readonly maxRelays: number
  private readonly closing = new AbortController()

  constructor(options: RelayPoolOptions) {
    this.options = options
    this.timeouts = { ...TIMEOUTS, ...options.timeouts }
    this.maxRelays = options.maxRelays ?? MAX_RELAYS
  }

  /** The connection that a client names by the session id that PKEY told it. */
  connected(relayId: RelayId): PooledRelay | undefined {
    const relay = this.byId.get(relayId)
    if (relay !== undefined) relay.usedAt = this.options.now()
    return relay
  }

  /** What there is without waiting: the connection, or why there was none a moment ago. */
  known(address: RelayAddress): PoolResult | undefined {
    const now = this.options.now()
    const entry = this.entries.get(keyOf(address))
    switch (entry?.state) {
      case 'connected':
        entry.relay.usedAt = now
        return entry.relay
      case 'failed':
        return now < entry.until ? { failure: entry.failure } : undefined
      default:
        return undefined
    }
  }

  /** Connects, or waits for whoever is connecting, or tells what is known. */
  async connect(address: RelayAddress): Promise<PoolResult> {
    const known = this.known(address)
    if (known !== undefined) return known
    const key = keyOf(address)
    const entry = this.entries.get(key)
    if (entry?.state === 'connecting') return entry.result
    if (entry === undefined && !this.makeRoom()) return { failure: 'full' }
    const result = this.open(key, address)
    this.entries.set(key, { state: 'connecting', result })
    return result
  }

  /** Closes connections that nobody has used for a while, and forgets old failures. */
  expire(): void {
    const now = this.options.now()
    for (const [key, entry] of this.entries) {
      if (entry.state === 'failed' && now >= entry.until) this.entries.delete(key)
      if (entry.state !== 'connected') continue
      const { client, usedAt } = entry.relay
      if (client.inFlight === 0 && now - usedAt >= this.timeouts.idle) client.close()
    }
  }

  close(): void {
    this.closing.abort()
    for (const { client } of this.byId.values()) client.close()
  }

  private async open(key: string, address: RelayAddress): Promise<PoolResult> {
    const { lookup } = this.options
    const connection = await connectRelay(address, {
      proxy: true,
      range: FULL_RANGE,
      routing: this.options.routing(),
      timeoutMs: this.timeouts.connect,
      requestTimeoutMs: this.timeouts.request,
      maxInFlight: MAX_IN_FLIGHT,
      signal: this.closing.signal,
      ...(lookup && { lookup }),
    })
    if ('failure' in connection) {
      const until = this.options.now() + this.timeouts.failure
      this.entries.set(key, { state: 'failed', failure: connection.failure, until })
      return { failure: connection.failure }
    }
    const { client } = connection
    const relayId = idFromBytes<RelayId>(client.session.link.sessionId)
    const now = this.options.now()
    const relay: PooledRelay = { relayId, client, address, usedAt: now, answeredAt: now }
    this.entries.set(key, { state: 'connected', relay })
    this.byId.set(relayId, relay)
    void client.closed.then(() => this.forget(relay))
    if (this.closing.signal.aborted) client.close()
    return relay
  }

  /** A remembered failure, or else the connection that was not used for longest, gives way to a new destination. */
  private makeRoom(): boolean {
    if (this.entries.size < this.maxRelays) return true
    let oldest: PooledRelay | undefined
    for (const [key, entry] of this.entries) {
      if (entry.state === 'failed') return this.entries.delete(key)
      if (entry.state !== 'connected' || entry.relay.client.inFlight > 0) continue
      if (oldest === undefined || entry.relay.usedAt < oldest.usedAt) oldest = entry.relay
    }
    if (oldest === undefined) return false
    oldest.client.close()
    return this.forget(oldest)
  }

  private forget(relay: PooledRelay): boolean {
    this.byId.delete(relay.relayId)
    const key = keyOf(relay.address)
    const entry = this.entries.get(key)
    return entry?.state === 'connected' && entry.relay === relay && this.entries.delete(key)
  }
}

function keyOf({ hosts, port, keyHash }: RelayAddress): string {
  return `${keyHash.toString('base64url')}@${hosts.join(',')}:${port}`
}
