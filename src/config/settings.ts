import type { HostPort } from '../protocol/host-port.ts'
import type { ResolverAuth, SocksProxy } from './key-values.ts'

export interface Contact {
  readonly simplex?: string | undefined
  readonly email?: string | undefined
  /** A PGP key; it counts only together with its fingerprint. */
  readonly pgp?: { readonly key: string; readonly fingerprint: string } | undefined
}

/** What the operator says about the relay; shown on the web site, never sent over SMP. */
export interface Information {
  readonly sourceCode: string
  readonly usageConditions?: string | undefined
  readonly conditionAmendments?: string | undefined
  readonly serverCountry?: string | undefined
  readonly operator?: { readonly name: string; readonly country?: string | undefined } | undefined
  readonly website?: string | undefined
  readonly admin?: Contact | undefined
  readonly complaints?: Contact | undefined
  readonly hosting?: { readonly name: string; readonly country?: string | undefined } | undefined
  readonly hostingType?: 'virtual' | 'dedicated' | 'colocation' | 'owned' | undefined
}

/** What backups are encrypted with. */
export type BackupLock =
  | { readonly type: 'recipients'; readonly recipients: readonly string[] }
  | { readonly type: 'passphrase'; readonly file: string }

export interface DatabaseSettings {
  /** As libpq has it; may hold a password. */
  readonly connection: string
  readonly schema: string
  readonly poolSize: number
  /** How long the ids of deleted queues are not given out again. */
  readonly deletedTtl?: number
}

/** The content of the INI file. Times are in seconds unless their name says otherwise. */
export interface Settings {
  /** `undefined` without `source_code`. */
  readonly information: Information | undefined
  readonly store: {
    /** Queues and messages are on disk; otherwise they are lost when the process ends. */
    readonly persistent: boolean
    readonly queues: 'memory' | 'database'
    readonly messages: 'memory' | 'journal' | 'database'
    /** `undefined` unless queues and messages are in PostgreSQL. */
    readonly database: DatabaseSettings | undefined
    /** What the keys of the database say, whether it is used or not. */
    readonly databaseKeys: DatabaseSettings
    readonly restoreMessages: boolean
    readonly messageTtl: number
    readonly expireOnStart: boolean
    readonly expireOnSend: boolean
    readonly notificationTtl: number
    readonly logStats: boolean
    readonly prometheusInterval: number | undefined
    /** For node_exporter's textfile collector. */
    readonly metricsTextfile: string | undefined
    /** Of 127.0.0.1. */
    readonly metricsPort: number | undefined
  }
  readonly cluster: {
    /** Processes that serve clients. */
    readonly workers: number
  }
  readonly auth: {
    readonly newQueues: boolean
    readonly createPassword: string | undefined
    /** `start` does not print it. */
    readonly hidePassword: boolean
    readonly controlPortAdminPassword: string | undefined
    readonly controlPortUserPassword: string | undefined
    /** Per UTC day; 0 is any number, -1 is none. */
    readonly dailyBlockQueueQuota: number
  }
  readonly transport: {
    /** Empty while `host` is missing or still the placeholder `<hostnames>`. */
    readonly hosts: readonly string[]
    /** At least one. */
    readonly ports: readonly number[]
    /** The one address to listen on; `undefined`: all. */
    readonly listenHost: string | undefined
    /** `undefined`: as many as there are descriptors for. */
    readonly maxConnections: number | undefined
    /** 0: any number. */
    readonly maxConnectionsPerAddress: number
    readonly logTlsErrors: boolean
    /** Without those in `ports`. */
    readonly webSocketPorts: readonly number[]
    readonly controlPort: number | undefined
  }
  readonly proxy: {
    readonly hostMode: 'public' | 'onion'
    readonly requiredHostMode: boolean
    readonly ownServerDomains: readonly string[]
    readonly socksProxy: SocksProxy | undefined
    readonly socksMode: 'onion' | 'always'
    readonly clientConcurrency: number
    /** Whether clients may have this relay connect to private addresses. */
    readonly allowPrivate: boolean
  }
  /** `undefined` while off. */
  readonly names:
    | {
        readonly endpoint: string
        readonly auth: ResolverAuth | undefined
        readonly timeoutMs: number
        readonly maxResponseBytes: number
        readonly concurrency: number
      }
    | undefined
  /** `undefined`: inactive connections may stay. */
  readonly inactiveClients: { readonly ttl: number; readonly checkInterval: number } | undefined
  readonly web: {
    readonly staticPath: string | undefined
    /** On the metrics port. */
    readonly dashboard: boolean
    /** The site shows the relay's address, without the password. */
    readonly shareAddress: boolean
    readonly httpPort: number | undefined
    /** All three or none. The files need not exist; without them the site is not served. */
    readonly https: { readonly port: number; readonly certificate: string; readonly key: string } | undefined
  }
  readonly backup: {
    /** `undefined`: no automatic backups. */
    readonly directory: string | undefined
    /** Five fields of a crontab. */
    readonly schedule: string
    /** Number of automatic backups. */
    readonly keep: number
    /** What backups are encrypted with; there is one if there is a directory. */
    readonly lock: BackupLock | undefined
  }
  readonly tor: {
    /** `undefined`: own, if there is an onion key. */
    readonly mode: 'own' | 'system' | 'external' | 'torrc' | undefined
    readonly instance: string
    readonly control: string | undefined
    readonly controlPasswordFile: string | undefined
    readonly controlPassword: string | undefined
    readonly controlCookie: string | undefined
    /** Where a Tor elsewhere reaches this relay. */
    readonly target: HostPort | undefined
    readonly torrcExtra: string | undefined
    /** `undefined`: as the setup recorded it, else on. */
    readonly singleHop: boolean | undefined
    readonly pow: boolean
    readonly powRate: number | undefined
    readonly powBurst: number | undefined
    readonly maxStreams: number | undefined
    /** An own tor survives a restart of the relay. */
    readonly keepTor: boolean
    /** On 127.0.0.1, for a tor that tells circuits apart. */
    readonly circuitPort: number | undefined
    readonly maxConnectionsPerCircuit: number
    /** For a service of a torrc. */
    readonly introDefence: boolean
    readonly web: boolean
    readonly socksPort: number | undefined
    readonly checkInterval: number
  }
}
