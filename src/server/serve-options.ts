import type { Logger } from '../config/log.ts'
import type { RelayStore } from '../store/work.ts'
import type { ConnectionLimits } from '../transport/connection-limits.ts'
import type { RelayCredentials } from '../transport/credentials.ts'
import type { WebCertificate } from '../transport/web-certificate.ts'
import type { RequestHandler } from '../transport/web-requests.ts'
import type { Policy, ProxyPolicy } from './core.ts'
import type { Ask } from './process-answers.ts'
import type { NameResolverOptions } from './name-resolver.ts'
import type { RelayPoolOptions } from './relay-pool.ts'
import type { StatisticsOptions } from './statistics/statistics.ts'

/** Everything that a relay needs to serve, without where it came from. */
export interface ServeOptions {
  readonly credentials: RelayCredentials
  /** Opens the store; `onRollback` must be called when effects that were visible are lost. */
  readonly openStore: (onRollback: () => void) => Promise<RelayStore> | RelayStore
  readonly policy: Policy
  /** Ports to listen on; 0 for any free one. */
  readonly ports: readonly number[]
  /** Ports for WebSockets alone; on `ports` they are accepted as well. */
  readonly webSocketPorts?: readonly number[]
  /** On 127.0.0.1, for an own tor that tells the circuits of the onion service apart. */
  readonly circuitPort?: number
  /**
   * What browsers trust, and the port that it is for: one of `ports`, or another one when there is a site.
   */
  readonly web?: { readonly port: number; readonly certificate: WebCertificate }
  /** The pages, for the port of `web` and over plain HTTP. */
  readonly site?: { readonly respond: RequestHandler; readonly httpPort?: number }
  /** One address to listen on; all when absent. */
  readonly host?: string
  /** Connections without subscriptions are closed after `ttl` seconds without traffic, looked at every `checkInterval`. */
  readonly inactiveClients?: { readonly ttl: number; readonly checkInterval: number }
  readonly log: Logger
  readonly logTlsErrors?: boolean
  /** For the ports of clients together. */
  readonly connectionLimits?: ConnectionLimits
  /** What happens with a port that cannot be bound; throws when that is fatal. */
  readonly onPortError?: (port: number, error: Error) => void
  readonly now?: () => number
  /** Forwarding commands to other relays, and how to connect to them. */
  readonly proxying?: Partial<ProxyPolicy & Omit<RelayPoolOptions, 'now'>>
  /** Looking up public names for clients; off when absent. */
  readonly names?: NameResolverOptions
  readonly timeouts?: Partial<Timeouts>
  /** Files for the statistics; in memory only when absent. */
  readonly statistics?: StatisticsOptions
  /** Other processes that serve the clients of this relay. */
  readonly workers?: ServingWorkers
}

/** The processes of a relay that serve its clients, as the one that counts for all sees them. */
export interface ServingWorkers {
  readonly ask: Ask
  /** That at least one of them listens on. */
  readonly ports: readonly number[]
  /** Of clients, after their handshake. */
  readonly connections: number
  /** Wrong creation passwords since the start. */
  readonly wrongPasswords: number
}

/** Milliseconds. */
export interface Timeouts {
  readonly tls: number
  readonly handshake: number
  /** How long a client may leave what waits for it unread. */
  readonly stall: number
  readonly expireMessages: number
  readonly expireNotifications: number
  /** How often wrong passwords are logged. */
  readonly report: number
}
