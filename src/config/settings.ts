import * as v from 'valibot'
import { AppError } from '../errors/app-error.ts'
import { type IniDocument, iniEntry, parseIni } from './ini.ts'
import { mayCarryCredentials, type ResolverAuth, type SocksProxy } from './key-values.ts'
import { type IniKey, iniKeys, isSectionName, type KeyName, type KeyValue, keyRows, type SectionName } from './keys.ts'

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
    readonly database:
      | {
          /** As libpq has it; may hold a password. */
          readonly connection: string
          readonly schema: string
          readonly poolSize: number
          /** How long the ids of deleted queues are not given out again. */
          readonly deletedTtl?: number
        }
      | undefined
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
  readonly auth: {
    readonly newQueues: boolean
    readonly createPassword: string | undefined
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
    readonly mode: 'own' | 'system' | 'torrc' | undefined
    readonly instance: string
    readonly control: string | undefined
    readonly torrcExtra: string | undefined
    /** `undefined`: as the setup recorded it, else on. */
    readonly singleHop: boolean | undefined
    readonly pow: boolean
    readonly maxStreams: number | undefined
    /** For a service of a torrc. */
    readonly introDefence: boolean
    readonly web: boolean
    readonly socksPort: number | undefined
    readonly checkInterval: number
  }
}

export interface SettingsResult {
  readonly settings: Settings
  /** Sentences about what is ignored: repeated keys, keys in the wrong section, unknown keys. */
  readonly warnings: readonly string[]
}

/**
 * Reads the settings from the text of an INI file.
 *
 * @param file its path, for the messages
 * @throws AppError `INI_VALUE` with one sentence (and line) per bad value
 */
export function readSettings(text: string, file: string): SettingsResult {
  const document = parseIni(text)
  const reader = new ValueReader(document, file)
  const settings = collect(reader)
  if (reader.errors.length > 0) {
    throw new AppError('INI_VALUE', reader.errors.join('\n'), `Fix that in ${file} and run the command again.`)
  }
  return { settings, warnings: [...reader.warnings, ...documentWarnings(document, file)] }
}

function collect(reader: ValueReader): Settings {
  const store = storeSettings(reader)
  const ports = reader.required('TRANSPORT', 'port')
  const hosts = reader.read('TRANSPORT', 'host') ?? []
  return {
    information: information(reader),
    store,
    auth: {
      newQueues: reader.read('AUTH', 'new_queues'),
      createPassword: reader.read('AUTH', 'create_password'),
      controlPortAdminPassword: reader.read('AUTH', 'control_port_admin_password'),
      controlPortUserPassword: reader.read('AUTH', 'control_port_user_password'),
      dailyBlockQueueQuota: reader.read('AUTH', 'daily_block_queue_quota'),
    },
    transport: {
      hosts,
      ports: ports ?? [],
      listenHost: reader.read('TRANSPORT', 'listen_host'),
      maxConnections: reader.read('TRANSPORT', 'max_connections'),
      maxConnectionsPerAddress: reader.read('TRANSPORT', 'max_connections_per_address'),
      logTlsErrors: reader.read('TRANSPORT', 'log_tls_errors'),
      webSocketPorts: reader.read('TRANSPORT', 'websockets').filter((port) => !ports?.includes(port)),
      controlPort: reader.read('TRANSPORT', 'control_port'),
    },
    proxy: {
      hostMode: reader.read('PROXY', 'host_mode'),
      requiredHostMode: reader.read('PROXY', 'required_host_mode'),
      ownServerDomains: reader.read('PROXY', 'own_server_domains'),
      socksProxy: reader.read('PROXY', 'socks_proxy'),
      socksMode: reader.read('PROXY', 'socks_mode'),
      clientConcurrency: reader.read('PROXY', 'client_concurrency'),
      allowPrivate: reader.read('PROXY', 'allow_private'),
    },
    names: names(reader),
    inactiveClients: reader.read('INACTIVE_CLIENTS', 'disconnect')
      ? {
          ttl: reader.read('INACTIVE_CLIENTS', 'ttl'),
          checkInterval: reader.read('INACTIVE_CLIENTS', 'check_interval'),
        }
      : undefined,
    web: web(reader),
    backup: backup(reader),
    tor: {
      mode: reader.read('TOR', 'mode'),
      instance: reader.read('TOR', 'instance'),
      control: reader.read('TOR', 'control'),
      torrcExtra: reader.read('TOR', 'torrc_extra'),
      singleHop: reader.read('TOR', 'single_hop'),
      pow: reader.read('TOR', 'pow'),
      maxStreams: reader.read('TOR', 'max_streams'),
      introDefence: reader.read('TOR', 'intro_defence'),
      web: reader.read('TOR', 'web'),
      socksPort: reader.read('TOR', 'socks_port'),
      checkInterval: reader.read('TOR', 'check_interval'),
    },
  }
}

/** Which messages may be stored with which queues. */
const storagePairs = new Set(['memory/memory', 'memory/journal', 'database/journal', 'database/database'])

function storeSettings(reader: ValueReader): Settings['store'] {
  const persistent = reader.read('STORE_LOG', 'enable')
  const queues = reader.read('STORE_LOG', 'store_queues')
  const messages = reader.read('STORE_LOG', 'store_messages')
  if (!storagePairs.has(`${queues}/${messages}`)) {
    const fitting = queues === 'memory' ? 'memory or journal' : 'journal or database'
    reader.refuse('STORE_LOG', 'store_messages', `must be ${fitting} while store_queues is ${queues}`)
  }
  return {
    persistent,
    queues,
    messages,
    database: queues === 'database' && messages === 'database' ? databaseSettings(reader) : undefined,
    restoreMessages: reader.read('STORE_LOG', 'restore_messages') ?? persistent,
    messageTtl: reader.read('STORE_LOG', 'expire_messages_days') * 86_400,
    expireOnStart: reader.read('STORE_LOG', 'expire_messages_on_start'),
    expireOnSend: reader.read('STORE_LOG', 'expire_messages_on_send'),
    notificationTtl: reader.read('STORE_LOG', 'expire_ntfs_hours') * 3600,
    logStats: reader.read('STORE_LOG', 'log_stats'),
    prometheusInterval: reader.read('STORE_LOG', 'prometheus_interval'),
    metricsTextfile: reader.read('STORE_LOG', 'metrics_textfile'),
    metricsPort: reader.read('STORE_LOG', 'metrics_port'),
  }
}

/** The default of `db_deleted_ttl`; a number in the INI file is in seconds, as upstream takes it. */
const DELETED_TTL = 21 * 86_400

function databaseSettings(reader: ValueReader): Settings['store']['database'] {
  const ttl = reader.read('STORE_LOG', 'db_deleted_ttl')
  return {
    connection: reader.read('STORE_LOG', 'db_connection'),
    schema: reader.read('STORE_LOG', 'db_schema'),
    poolSize: reader.read('STORE_LOG', 'db_pool_size'),
    deletedTtl: ttl ?? DELETED_TTL,
  }
}

function information(reader: ValueReader): Information | undefined {
  const sourceCode = reader.read('INFORMATION', 'source_code')
  if (sourceCode === undefined) return undefined
  const read = <K extends KeyName<'INFORMATION'>>(key: K): KeyValue<'INFORMATION', K> => reader.read('INFORMATION', key)
  const operator = read('operator')
  const hosting = read('hosting')
  const usageConditions = read('usage_conditions')
  return {
    sourceCode,
    usageConditions,
    conditionAmendments: usageConditions && read('condition_amendments'),
    serverCountry: read('server_country'),
    operator: operator === undefined ? undefined : { name: operator, country: read('operator_country') },
    website: read('website'),
    admin: contact(read('admin_simplex'), read('admin_email'), read('admin_pgp'), read('admin_pgp_fingerprint')),
    complaints: contact(
      read('complaints_simplex'),
      read('complaints_email'),
      read('complaints_pgp'),
      read('complaints_pgp_fingerprint'),
    ),
    hosting: hosting === undefined ? undefined : { name: hosting, country: read('hosting_country') },
    hostingType: read('hosting_type'),
  }
}

type Maybe = string | undefined

function contact(simplex: Maybe, email: Maybe, key: Maybe, fingerprint: Maybe): Contact | undefined {
  const pgp = key && fingerprint ? { key, fingerprint } : undefined
  return simplex || email || pgp ? { simplex, email, pgp } : undefined
}

function names(reader: ValueReader): Settings['names'] {
  if (!reader.read('NAMES', 'enable')) return undefined
  const endpoint = reader.required('NAMES', 'resolver_endpoint')
  const auth = reader.read('NAMES', 'resolver_auth')
  if (endpoint !== undefined && auth !== undefined && !mayCarryCredentials(endpoint)) {
    reader.refuse('NAMES', 'resolver_endpoint', 'must be https, or http on this machine, while resolver_auth is set')
  }
  return {
    endpoint: endpoint ?? '',
    auth,
    timeoutMs: reader.read('NAMES', 'resolver_timeout_ms'),
    maxResponseBytes: reader.read('NAMES', 'resolver_max_response_bytes'),
    concurrency: reader.read('NAMES', 'resolver_concurrency'),
  }
}

function web(reader: ValueReader): Settings['web'] {
  const port = reader.read('WEB', 'https')
  const certificate = reader.read('WEB', 'cert')
  const key = reader.read('WEB', 'key')
  const complete = port !== undefined && certificate !== undefined && key !== undefined
  return {
    staticPath: reader.read('WEB', 'static_path'),
    dashboard: reader.read('WEB', 'dashboard'),
    shareAddress: reader.read('INFORMATION', 'share_address'),
    httpPort: reader.read('WEB', 'http'),
    https: complete ? { port, certificate, key } : undefined,
  }
}

function backup(reader: ValueReader): Settings['backup'] {
  const directory = reader.read('BACKUP', 'directory')
  const recipients = reader.read('BACKUP', 'recipient')
  const file = reader.read('BACKUP', 'passphrase_file')
  if (recipients !== undefined && file !== undefined) {
    reader.refuse('BACKUP', 'passphrase_file', 'cannot be combined with recipient; remove one of them')
  }
  if (directory !== undefined && recipients === undefined && file === undefined) {
    reader.refuse('BACKUP', 'recipient', 'must be set, or passphrase_file, because backups are always encrypted')
  }
  return {
    directory,
    schedule: reader.read('BACKUP', 'schedule'),
    keep: reader.read('BACKUP', 'keep'),
    lock: recipients ? { type: 'recipients', recipients } : file ? { type: 'passphrase', file } : undefined,
  }
}

/** Reads values by the table of keys and collects what is wrong with them. */
class ValueReader {
  readonly errors: string[] = []
  readonly warnings: string[] = []
  readonly #document: IniDocument
  readonly #file: string

  constructor(document: IniDocument, file: string) {
    this.#document = document
    this.#file = file
  }

  /** The value. A bad one adds a sentence to `errors` and counts as missing. */
  read<S extends SectionName, K extends KeyName<S>>(section: S, key: K): KeyValue<S, K> {
    const definition: IniKey<KeyValue<S, K>> = definitionOf(section, key)
    const entry = iniEntry(this.#document, section, key)
    if (entry) {
      const result = v.safeParse(definition.schema, entry.value)
      if (result.success) return valueOf(definition, result.output)
      const sentence = this.#sentence(section, key, result.issues[0].message)
      if (definition.lenient) this.warnings.push(`${sentence} It is ignored.`)
      else this.errors.push(sentence)
    }
    const usual = definition.default === undefined ? undefined : v.parse(definition.schema, definition.default)
    return valueOf(definition, usual)
  }

  /** Like `read`, for keys that must be there. */
  required<S extends SectionName, K extends KeyName<S>>(section: S, key: K): KeyValue<S, K> {
    if (!iniEntry(this.#document, section, key)) {
      const why = this.#document.problems.find(({ type }) => type === 'glued' || type === 'unread')
      this.errors.push(`${this.#file}: [${section}] ${key} is missing${why ? ` (${why.message})` : ''}.`)
    }
    return this.read(section, key)
  }

  /** @param fault a predicate, as in the messages of the schemas */
  refuse(section: SectionName, key: string, fault: string): void {
    this.errors.push(this.#sentence(section, key, fault))
  }

  #sentence(section: SectionName, key: string, fault: string): string {
    const entry = iniEntry(this.#document, section, key)
    const secret = keyRows().some((row) => row.section === section && row.name === key && row.definition.secret)
    const shown = entry === undefined ? '(missing)' : entry.value === '' ? '(empty)' : secret ? '…' : entry.value
    const line = entry ? `:${entry.line}` : ''
    return `${this.#file}${line}: [${section}] ${key} = ${shown}: ${fault}.`
  }
}

function definitionOf<S extends SectionName, K extends KeyName<S>>(section: S, key: K): IniKey<KeyValue<S, K>> {
  // True by the types of the table; a generic index loses it.
  return iniKeys[section][key] as unknown as IniKey<KeyValue<S, K>>
}

function valueOf<T>(_definition: IniKey<T>, output: unknown): T {
  // `output` comes from the schema of the definition, and T is the output of that schema.
  return output as T
}

function documentWarnings(document: IniDocument, file: string): string[] {
  const structure = document.problems.map((problem) => `${file}: ${problem.message}.`)
  const rows = keyRows()
  const strangers = document.sections.flatMap(({ name, entries }) =>
    entries
      .filter(({ key }) => !/[\r\n]/.test(key) && !rows.some((row) => row.section === name && row.name === key))
      .map(({ key, line }) => {
        const homes = rows.filter((row) => row.name === key).map((row) => `[${row.section}]`)
        const unknown = isSectionName(name) ? `[${name}] has no key ${key}` : `there is no section [${name}]`
        const where = homes.length > 0 ? `${key} belongs to ${homes.join(' or ')}` : unknown
        return `${file}:${line}: ${key} in [${name}] is ignored: ${where}.`
      }),
  )
  return [...structure, ...strangers]
}
