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
/** Destinations that are remembered at once, connected or failed. */
const MAX_RELAYS = 4096

/** A connection to another relay. */
export interface PooledRelay {
  readonly relayId: RelayId
  readonly client: RelayClient
  readonly address: RelayAddress
  usedAt: number
}

export type PoolResult = PooledRelay | { readonly failure: ConnectFailure | 'full' }

type Entry =
  | { readonly state: 'connecting'; readonly result: Promise<PoolResult> }
  | { readonly state: 'connected'; readonly relay: PooledRelay }
  | { readonly state: 'failed'; readonly failure: ConnectFailure; readonly until: number }

/** The connections of this relay to others: one per destination, made on demand, shared by all clients, closed when idle. */
export class RelayPool {
  private readonly options: RelayPoolOptions
  private readonly timeouts: PoolTimeouts
  private readonly entries = new Map<string, Entry>()
  private readonly byId = new Map<RelayId, PooledRelay>()
  private closed = false

  constructor(options: RelayPoolOptions) {
    this.options = options
    this.timeouts = { ...TIMEOUTS, ...options.timeouts }
  }

  /** The connection that a client names by the session id that PKEY told it. */
  connected(relayId: RelayId): PooledRelay | undefined {
    const relay = this.byId.get(relayId)
    if (relay !== undefined) relay.usedAt = this.options.now()
    return relay
  }

  /** Connects, or waits for whoever is connecting, or tells at once what is known. */
  connect(address: RelayAddress): PoolResult | Promise<PoolResult> {
    const key = keyOf(address)
    const entry = this.entries.get(key)
    switch (entry?.state) {
      case 'connected':
        entry.relay.usedAt = this.options.now()
        return entry.relay
      case 'connecting':
        return entry.result
      case 'failed':
        if (this.options.now() < entry.until) return { failure: entry.failure }
    }
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
    this.closed = true
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
      ...(lookup && { lookup }),
    })
    if ('failure' in connection) {
      const until = this.options.now() + this.timeouts.failure
      this.entries.set(key, { state: 'failed', failure: connection.failure, until })
      return { failure: connection.failure }
    }
    const { client } = connection
    const relayId = idFromBytes<RelayId>(client.session.link.sessionId)
    const relay: PooledRelay = { relayId, client, address, usedAt: this.options.now() }
    const entry: Entry = { state: 'connected', relay }
    this.entries.set(key, entry)
    this.byId.set(relayId, relay)
    void client.closed.then(() => {
      this.byId.delete(relayId)
      if (this.entries.get(key) === entry) this.entries.delete(key)
    })
    if (this.closed) client.close()
    return relay
  }

  private makeRoom(): boolean {
    if (this.entries.size < MAX_RELAYS) return true
    this.expire()
    return this.entries.size < MAX_RELAYS
  }
}

function keyOf({ hosts, port, keyHash }: RelayAddress): string {
  return `${keyHash.toString('base64url')}@${hosts.join(',')}:${port}`
}
