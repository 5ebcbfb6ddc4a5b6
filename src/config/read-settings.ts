import { AppError } from '../errors/app-error.ts'
import { ignoredLines } from './ignored-lines.ts'
import { iniEntry, parseIni } from './ini.ts'
import { mayCarryCredentials } from './key-values.ts'
import { type KeyName, type KeyRow, keyRows, type KeyValue } from './keys.ts'
import type { Contact, Information, DatabaseSettings, Settings } from './settings.ts'
import { ValueReader } from './value-reader.ts'

export interface SettingsResult {
  readonly settings: Settings
  /** Sentences about what is ignored: repeated keys, keys in the wrong section, unknown keys. */
  readonly warnings: readonly string[]
}

/**
 * Reads the settings from the text of an INI file.
 *
 * @param file its path, for the messages
 * @throws AppError `INI_VALUE` with a line per bad value, per ignored line without which the relay would be more open,
 *   emptier or less private than meant, and per warning
 */
export function readSettings(text: string, file: string): SettingsResult {
  const document = parseIni(text)
  const reader = new ValueReader(document, file)
  const settings = collect(reader)
  const ignored = ignoredLines(document, file)
  const errors = [...reader.errors, ...ignored.errors]
  const warnings = [...reader.warnings, ...ignored.warnings]
  if (errors.length > 0) {
    const hints = warnings.map((warning) => `Warning: ${warning}`)
    throw new AppError('INI_VALUE', [...errors, ...hints].join('\n'), `Fix that in ${file} and run the command again.`)
  }
  return { settings, warnings }
}

/**
 * The settings of a relay that takes over what can change while it runs.
 *
 * @param text valid by {@link readSettings}
 * @param running the text that the relay was started with: what takes effect at a restart comes from there
 */
export function settingsAtReload(text: string, running: string, file: string): Settings {
  return collect(new ValueReader(parseIni(text), file, parseIni(running)))
}

/** The keys whose values differ. */
export function changedKeys(before: string, after: string): KeyRow[] {
  const documents = [parseIni(before), parseIni(after)] as const
  return keyRows().filter(({ section, name, definition }) => {
    const [old, now] = documents.map((document) => iniEntry(document, section, name)?.value ?? definition.default)
    return old !== now
  })
}

function collect(reader: ValueReader): Settings {
  const store = storeSettings(reader)
  const ports = reader.required('TRANSPORT', 'port')
  const hosts = reader.read('TRANSPORT', 'host') ?? []
  return {
    information: information(reader),
    store,
    cluster: { workers: reader.read('CLUSTER', 'workers') },
    auth: {
      newQueues: reader.read('AUTH', 'new_queues'),
      createPassword: reader.read('AUTH', 'create_password'),
      hidePassword: reader.read('AUTH', 'hide_password'),
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
    proxy: proxy(reader),
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
      ...controlLogin(reader),
      target: reader.read('TOR', 'target'),
      torrcExtra: reader.read('TOR', 'torrc_extra'),
      singleHop: reader.read('TOR', 'single_hop'),
      pow: reader.read('TOR', 'pow'),
      ...powQueue(reader),
      maxStreams: reader.read('TOR', 'max_streams'),
      keepTor: reader.read('TOR', 'keep_tor'),
      circuitPort: circuitPort(reader),
      maxConnectionsPerCircuit: reader.read('TOR', 'max_connections_per_circuit'),
      introDefence: reader.read('TOR', 'intro_defence'),
      web: reader.read('TOR', 'web'),
      socksPort: reader.read('TOR', 'socks_port'),
      checkInterval: reader.read('TOR', 'check_interval'),
    },
  }
}

/** Only a service of a torrc tells its circuits apart, and then on all of its ports. */
function circuitPort(reader: ValueReader): number | undefined {
  const port = reader.read('TOR', 'circuit_port')
  if (port === undefined) return undefined
  const mode = reader.read('TOR', 'mode')
  if (mode === 'system' || mode === 'external') {
    reader.refuse('TOR', 'circuit_port', `needs mode own or torrc: with mode ${mode}, Tor does not tell circuits apart`)
  }
  if (reader.read('TRANSPORT', 'port')?.includes(port))
    reader.refuse('TOR', 'circuit_port', 'must not be a port of clients, in [TRANSPORT]')
  if (reader.read('TOR', 'web')) reader.refuse('TOR', 'circuit_port', 'cannot be combined with web = on')
  return port
}

/** Of a tor whose torrc has neither. */
const POW_QUEUE = { rate: 250, burst: 2500 }

function powQueue(reader: ValueReader): Pick<Settings['tor'], 'powRate' | 'powBurst'> {
  const powRate = reader.read('TOR', 'pow_rate')
  const powBurst = reader.read('TOR', 'pow_burst')
  if ((powBurst ?? POW_QUEUE.burst) < (powRate ?? POW_QUEUE.rate)) {
    const isBurst = powBurst !== undefined
    const fault = isBurst
      ? `must not be less than pow_rate, ${powRate ?? POW_QUEUE.rate}`
      : `must not be more than pow_burst, ${POW_QUEUE.burst}`
    reader.refuse('TOR', isBurst ? 'pow_burst' : 'pow_rate', fault)
  }
  return { powRate, powBurst }
}

function controlLogin(
  reader: ValueReader,
): Pick<Settings['tor'], 'controlPasswordFile' | 'controlPassword' | 'controlCookie'> {
  const controlPasswordFile = reader.read('TOR', 'control_password_file')
  const controlPassword = reader.read('TOR', 'control_password')
  if (controlPasswordFile !== undefined && controlPassword !== undefined) {
    reader.refuse('TOR', 'control_password', 'cannot be combined with control_password_file; remove one of them')
  }
  return { controlPasswordFile, controlPassword, controlCookie: reader.read('TOR', 'control_cookie') }
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
  const databaseKeys = databaseSettings(reader)
  return {
    persistent,
    queues,
    messages,
    database: queues === 'database' && messages === 'database' ? databaseKeys : undefined,
    databaseKeys,
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

function databaseSettings(reader: ValueReader): DatabaseSettings {
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

function proxy(reader: ValueReader): Settings['proxy'] {
  const socksProxy = reader.read('PROXY', 'socks_proxy')
  const socksMode = reader.read('PROXY', 'socks_mode')
  if (socksMode === 'always' && socksProxy === undefined) {
    const fault = 'needs socks_proxy; without it, this relay would connect to other relays directly'
    reader.refuse('PROXY', 'socks_mode', fault)
  }
  return {
    hostMode: reader.read('PROXY', 'host_mode'),
    requiredHostMode: reader.read('PROXY', 'required_host_mode'),
    ownServerDomains: reader.read('PROXY', 'own_server_domains'),
    socksProxy,
    socksMode,
    clientConcurrency: reader.read('PROXY', 'client_concurrency'),
    allowPrivate: reader.read('PROXY', 'allow_private'),
  }
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
