import ipaddr from 'ipaddr.js'
import type { Logger } from '../config/log.ts'
import { type CircuitConnection, CircuitLimits } from './circuit-limits.ts'

export interface ConnectionLimitsOptions {
  /** Connections at a time, over all ports. */
  readonly total: number
  /** The same of one public address, an IPv6 network of 64 bits counting as one; 0 for any number. */
  readonly perAddress: number
  /** The same of one circuit of the onion service, where its tor tells them apart. */
  readonly perCircuit: number
  readonly log: Logger
  readonly now?: () => number
}

/** As much of a socket as is needed. */
export interface Connection {
  readonly remoteAddress?: string | undefined
  destroy(): unknown
  once(event: 'close', listener: () => void): unknown
  on(event: 'error', listener: () => void): unknown
}

/** Connections that were refused, by the limit. */
export interface RejectedConnections {
  readonly total: number
  readonly perAddress: number
  readonly perCircuit: number
}

const LOG_INTERVAL_MS = 60_000

/**
 * Refuses connections beyond the limits before any work is done for them. Loopback and private addresses have no limit of
 * their own: they are the onion service, a proxy, or the network of a container, with many clients behind them.
 */
export class ConnectionLimits {
  #options: ConnectionLimitsOptions
  readonly #perAddress = new Map<string, number>()
  readonly #circuits: CircuitLimits
  readonly #rejected = { total: 0, perAddress: 0, perCircuit: 0 }
  #open = 0
  #loggedAt = -Infinity
  #unlogged = 0

  constructor(options: ConnectionLimitsOptions) {
    this.#options = options
    this.#circuits = new CircuitLimits(options.perCircuit, () => this.#now())
  }

  /** Has these limits for new connections. */
  change(limits: Pick<ConnectionLimitsOptions, 'total' | 'perAddress' | 'perCircuit'>): void {
    this.#options = { ...this.#options, ...limits }
    this.#circuits.change(limits.perCircuit)
  }

  get rejected(): RejectedConnections {
    return this.#rejected
  }

  get open(): number {
    return this.#open
  }

  /** Counts the connection until it closes; false, and the connection is closed, when it is beyond a limit. */
  admit(socket: Connection): boolean {
    const { total, perAddress } = this.#options
    const network = perAddress > 0 ? networkOf(socket.remoteAddress) : undefined
    const neighbours = network === undefined ? 0 : (this.#perAddress.get(network) ?? 0)
    if (this.#open >= total) return this.#refuse(socket, 'total')
    if (network !== undefined && neighbours >= perAddress) return this.#refuse(socket, 'perAddress')
    this.#open++
    if (network !== undefined) this.#perAddress.set(network, neighbours + 1)
    socket.once('close', () => this.#leave(network))
    return true
  }

  /** The same for a connection that was admitted, once its circuit is known; undefined when it is closed. */
  admitCircuit(socket: Connection, circuit: number): Pick<CircuitConnection, 'established'> | undefined {
    const admitted = this.#circuits.admit(circuit)
    if (admitted) socket.once('close', () => admitted.left())
    else this.#refuse(socket, 'perCircuit')
    return admitted
  }

  #leave(network: string | undefined): void {
    this.#open--
    if (network === undefined) return
    const left = (this.#perAddress.get(network) ?? 1) - 1
    if (left === 0) this.#perAddress.delete(network)
    else this.#perAddress.set(network, left)
  }

  #refuse(socket: Connection, limit: keyof RejectedConnections): false {
    this.#rejected[limit]++
    this.#unlogged++
    socket.on('error', () => undefined)
    socket.destroy()
    const now = this.#now()
    if (now - this.#loggedAt < LOG_INTERVAL_MS) return false
    this.#options.log.warn(this.#sentence(limit))
    this.#loggedAt = now
    this.#unlogged = 0
    return false
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now()
  }

  #sentence(limit: keyof RejectedConnections): string {
    const { total, perAddress, perCircuit } = this.#options
    const reached = {
      total: `the limit of ${total} connections is reached (max_connections in [TRANSPORT], and LimitNOFILE of the service)`,
      perAddress: `one address has ${perAddress} connections (max_connections_per_address in [TRANSPORT])`,
      perCircuit: `too many through one circuit of the onion service (max_connections_per_circuit = ${perCircuit} in [TOR])`,
    }
    return `Refused ${this.#unlogged} connection${this.#unlogged === 1 ? '' : 's'}: ${reached[limit]}.`
  }
}

const UNLIMITED = ['loopback', 'private', 'uniqueLocal', 'linkLocal']

/** What counts as one address; undefined when it has no limit. */
function networkOf(address: string | undefined): string | undefined {
  if (address === undefined || !ipaddr.isValid(address)) return undefined
  const parsed = ipaddr.process(address)
  if (UNLIMITED.includes(parsed.range())) return undefined
  return parsed instanceof ipaddr.IPv6 ? parsed.parts.slice(0, 4).join(':') : parsed.toString()
}
