import type * as v from 'valibot'
import {
  address,
  addressPassword,
  choice,
  country,
  domainList,
  endpoint,
  hostList,
  integer,
  onOff,
  optionalText,
  port,
  portList,
  resolverAuth,
  socksProxy,
  text,
  webSocketPorts,
} from './key-values.ts'

type Schema = v.GenericSchema<string, unknown>

/** How `init` writes the key. */
interface GeneratedForm {
  /** The value of an active line. */
  readonly value?: string
  /** The values of commented samples, one line each. One blank stands for an empty sample with a blank behind `=`. */
  readonly samples?: readonly string[]
  /** The separator in front of the value, ` = ` unless this says otherwise. */
  readonly separator?: ': '
}

interface KeyOptions extends GeneratedForm {
  /** Comment lines above the key in a generated file, filled into lines of its own. */
  readonly doc?: string
  /** A bad value is reported and otherwise taken for a missing one. */
  readonly lenient?: true
  /** The value is never shown in a message. */
  readonly secret?: true
}

/** One key of the INI file. `T` is the type of its value, without `undefined` when a default stands in. */
export interface IniKey<T> extends KeyOptions {
  readonly schema: Schema
  /** The text that a missing key stands for. */
  readonly missing: string | undefined
  /** Carries `T`; never set. */
  readonly type?: T
}

function key<S extends Schema>(schema: S, options: KeyOptions & { missing: string }): IniKey<v.InferOutput<S>>
function key<S extends Schema>(schema: S, options?: KeyOptions): IniKey<v.InferOutput<S> | undefined>
function key(schema: Schema, options: KeyOptions & { missing?: string } = {}): IniKey<unknown> {
  return { ...options, schema, missing: options.missing }
}

const aDay = 86_400
const aCentury = 100 * 365 * aDay

/**
 * Every key of `smp-server.ini`, in the order in which `init` writes them: what it may be, what a missing one stands
 * for, how it is generated, and the words above it. Sections and keys have the names that SimpleX relays use, except
 * for [TOR], which is this relay's own.
 */
export const iniKeys = {
  INFORMATION: {
    source_code: key(text, {
      samples: ['URI'],
      doc: 'Where users find the source code that this relay runs; the AGPL asks for it when you offer the service to others. Nothing else in this section is shown while it is missing.',
    }),
    usage_conditions: key(optionalText, {
      samples: ['https://github.com/simplex-chat/simplex-chat/blob/stable/PRIVACY.md'],
      doc: 'What users agree to: a link to the conditions, and one to your additions to them.',
    }),
    condition_amendments: key(optionalText, { samples: ['link'] }),
    server_country: key(country, {
      samples: ['ISO-3166 2-letter code'],
      doc: 'Where the machine stands, and who runs this relay.',
    }),
    operator: key(optionalText, { samples: ['entity (organization or person name)'] }),
    operator_country: key(country, { samples: ['ISO-3166 2-letter code'] }),
    website: key(optionalText, { samples: [' '] }),
    admin_simplex: key(optionalText, { samples: ['SimpleX address'], doc: 'How to reach the administrator.' }),
    admin_email: key(optionalText, { samples: [''] }),
    admin_pgp: key(optionalText, { samples: [''] }),
    admin_pgp_fingerprint: key(optionalText, { samples: [''] }),
    complaints_simplex: key(optionalText, {
      samples: ['SimpleX address'],
      doc: 'Where to send complaints and feedback.',
    }),
    complaints_email: key(optionalText, { samples: [''] }),
    complaints_pgp: key(optionalText, { samples: [''] }),
    complaints_pgp_fingerprint: key(optionalText, { samples: [''] }),
    hosting: key(optionalText, {
      samples: ['entity (organization or person name)'],
      doc: 'Who hosts the machine, and how: virtual, dedicated, colocation or owned.',
    }),
    hosting_country: key(country, { samples: ['ISO-3166 2-letter code'] }),
    hosting_type: key(choice(['virtual', 'dedicated', 'colocation', 'owned']), { value: 'virtual' }),
  },

  STORE_LOG: {
    enable: key(onOff, {
      missing: 'off',
      value: 'on',
      doc: 'With on, queues and messages are kept on disk and survive a restart, a crash and a power cut. With off, everything is in memory and lost when the relay stops.',
    }),
    store_queues: key(choice(['memory', 'database']), {
      missing: 'memory',
      value: 'memory',
      doc: "Which storage. memory is this relay's own embedded storage (it is called so in the INI files of all SMP servers); database is PostgreSQL, which this build does not have.",
    }),
    db_connection: key(text, {
      missing: 'postgresql://smp@/smp_server_store',
      samples: ['postgresql://smp@/smp_server_store'],
      secret: true,
    }),
    db_schema: key(text, { missing: 'smp_server', samples: ['smp_server'] }),
    db_pool_size: key(integer(1, 1000), { missing: '10', samples: ['10'] }),
    db_store_log: key(onOff, { missing: 'off', samples: ['off'] }),
    db_deleted_ttl: key(integer(0, aCentury), { missing: '21', samples: ['21'] }),
    store_messages: key(choice(['memory', 'journal', 'database']), { missing: 'memory', value: 'memory' }),
    restore_messages: key(onOff, {
      value: 'on',
      doc: 'Whether undelivered messages are kept on disk too. When missing it is what enable is.',
    }),
    expire_messages_days: key(integer(1, 36_500), {
      missing: '21',
      value: '21',
      doc: 'Undelivered messages are deleted after so many days: at start, and when the next message comes to their queue.',
    }),
    expire_messages_on_start: key(onOff, { missing: 'on', value: 'on' }),
    expire_messages_on_send: key(onOff, { missing: 'on', value: 'off' }),
    expire_ntfs_hours: key(integer(1, 876_000), {
      missing: '24',
      value: '24',
      doc: 'Undelivered notifications are deleted after so many hours.',
    }),
    log_stats: key(onOff, {
      missing: 'off',
      value: 'off',
      doc: 'One line of counters per day in smp-server-stats.daily.log: sums only, nothing about a single queue or user.',
    }),
    prometheus_interval: key(integer(1, aDay), {
      samples: ['60'],
      lenient: true,
      doc: 'Seconds between two writes of smp-server-metrics.txt, in the text format of Prometheus.',
    }),
    metrics_textfile: key(text, {
      samples: ['/var/lib/prometheus/node-exporter/smp-server.prom'],
      doc: "A file with the figures for node_exporter's textfile collector, without times and readable for everybody; written every prometheus_interval seconds, 60 when that is missing.",
    }),
    metrics_port: key(port, {
      samples: ['9100'],
      doc: 'The same figures, with those of the onion service and the process, at http://127.0.0.1:PORT/metrics: for programs on this machine only. /health says in JSON how the relay is.',
    }),
  },

  AUTH: {
    new_queues: key(onOff, {
      missing: 'on',
      value: 'on',
      doc: 'With off nobody can create queues any more, the existing ones work on. For winding a relay down.',
    }),
    create_password: key(addressPassword, {
      samples: ['a password of your choice (printable characters, no blanks and no @ : /)'],
      secret: true,
      doc: 'Who knows it may create queues here and send through this relay to others. It is a part of the address that you give to your users; their contacts never see it, and need no password to send. Without it this relay is open to everybody.',
    }),
    control_port_admin_password: key(text, {
      samples: [' '],
      secret: true,
      doc: 'Passwords of the control port. Without one nobody gets that role.',
    }),
    control_port_user_password: key(text, { samples: [' '], secret: true }),
    daily_block_queue_quota: key(integer(-1, 1_000_000_000), {
      missing: '20',
      samples: ['20'],
      doc: 'How many queues may be blocked through the control port per day (UTC); 0: any number, -1: none.',
    }),
  },

  TRANSPORT: {
    host: key(hostList, {
      value: '<hostnames>',
      doc: 'The names under which clients reach this relay, separated by commas without blanks: the public name or IP address first, then the onion name. They are printed in the address; what the relay listens on does not depend on them.',
    }),
    port: key(portList, {
      value: '5223,443',
      doc: 'Ports to listen on, on all addresses of the machine. A port below 1024 that this user may not open is left out with a warning, unless it is the only one.',
    }),
    listen_host: key(address, {
      samples: ['127.0.0.1'],
      doc: 'One address to listen on, for a relay that is reached through its onion name or a proxy of this machine only.',
    }),
    max_connections: key(integer(1, 10_000_000), {
      samples: ['10000'],
      doc: 'Connections at a time, over all ports. When missing, as many as the limit of open files allows, with a reserve for everything else.',
    }),
    max_connections_per_address: key(integer(0, 10_000_000), {
      missing: '512',
      samples: ['512'],
      doc: 'The same for one public IP address (or IPv6 /64 network); 0 for any number. Loopback and private addresses, which the onion service and proxies connect from, have no such limit.',
    }),
    log_tls_errors: key(onOff, { missing: 'off', value: 'off', doc: 'Whether failed TLS handshakes are logged.' }),
    websockets: key(webSocketPorts, {
      missing: 'off',
      value: 'off',
      doc: 'WebSocket over TLS: off, on (port 80), or ports separated by commas.',
    }),
    control_port: key(port, {
      samples: ['5224'],
      doc: 'Plain text control port, on 127.0.0.1 only.',
    }),
  },

  PROXY: {
    host_mode: key(choice(['public', 'onion']), {
      missing: 'public',
      samples: ['public'],
      doc: 'This relay passes messages on to other relays, so that senders need not show them their address. When such a relay has several names: public takes a public one first, onion an onion one.',
    }),
    required_host_mode: key(onOff, {
      missing: 'off',
      samples: ['off'],
      doc: 'With on it fails rather than take a name of the other kind.',
    }),
    own_server_domains: key(domainList, {
      missing: '',
      samples: [' '],
      doc: 'Domains of your own relays, separated by blanks; they are counted separately in the statistics.',
    }),
    socks_proxy: key(socksProxy, {
      samples: ['127.0.0.1:9050'],
      doc: "Tor's SOCKS port, for relays that have an onion name only. Onion names are never looked up in DNS, so without it they cannot be reached. As written here each destination gets a circuit of its own; user:password@ in front sets fixed credentials, @ alone sends none.",
    }),
    socks_mode: key(choice(['onion', 'always']), {
      missing: 'onion',
      samples: ['onion'],
      doc: 'With onion SOCKS is used for onion names only, with always for every connection to another relay.',
    }),
    client_concurrency: key(integer(1, 100_000), {
      missing: '32',
      samples: ['32'],
      doc: 'How many messages of one client may be on their way to other relays at the same time.',
    }),
    allow_private: key(onOff, {
      missing: 'off',
      samples: ['off'],
      doc: 'With on, clients may also have this relay connect to private addresses: this machine and its local network.',
    }),
  },

  NAMES: {
    enable: key(onOff, {
      missing: 'off',
      value: 'off',
      separator: ': ',
      doc: 'Looking up public names for clients, through a resolver of your choice.',
    }),
    resolver_endpoint: key(endpoint, {
      samples: ['http://127.0.0.1:8000', 'https://names.simplex.chat:443'],
      separator: ': ',
    }),
    resolver_auth: key(resolverAuth, {
      samples: ['basic <username>:<password>'],
      separator: ': ',
      secret: true,
      doc: 'Credentials, also as bearer <token>. They go over https, or over http within this machine only.',
    }),
    resolver_timeout_ms: key(integer(100, 60_000), { missing: '3000', samples: ['3000'], separator: ': ' }),
    resolver_max_response_bytes: key(integer(1024, 16_000), { missing: '16000', samples: ['16000'], separator: ': ' }),
    resolver_concurrency: key(integer(1, 1_000_000), { missing: '1000', samples: ['1000'] }),
  },

  INACTIVE_CLIENTS: {
    disconnect: key(onOff, {
      missing: 'off',
      value: 'on',
      doc: 'Connections without any subscription are closed when nothing came or went for ttl seconds; they are looked at every check_interval seconds.',
    }),
    ttl: key(integer(1, aCentury), { missing: '21600', value: '21600' }),
    check_interval: key(integer(1, aCentury), { missing: '3600', value: '3600' }),
  },

  WEB: {
    static_path: key(optionalText, {
      doc: 'Pages about this relay are made in this directory at every start.',
    }),
    http: key(port, {
      samples: ['8000'],
      lenient: true,
      doc: 'They can be served over plain HTTP on 127.0.0.1 (or listen_host), for a reverse proxy or the onion service,',
    }),
    https: key(port, {
      lenient: true,
      value: '443',
      doc: 'and over HTTPS on a port of the relay or on one of their own. For that, put a certificate for your domain (the whole chain) and its key into these files; they are followed when they are renewed. Until they exist the relay runs without the site.',
    }),
    cert: key(optionalText),
    key: key(optionalText),
  },

  TOR: {
    mode: key(choice(['own', 'system', 'torrc']), {
      samples: ['own'],
      doc: 'Whose tor carries the onion service of this relay, as `smp-server tor setup` arranges it. With own it is a process that the relay starts and stops, with system an instance that systemd runs. With torrc the system keeps the service and its key by itself, and the relay has no access to that tor. A missing mode with an onion key means own.',
    }),
    instance: key(text, {
      missing: 'smp',
      samples: ['smp'],
      doc: "The name of the system's tor instance: tor@NAME.",
    }),
    control: key(text, {
      samples: ['/run/tor-instances/smp/control'],
      doc: "tor's control port: the path of a socket, or HOST:PORT. When missing it is found by itself.",
    }),
    torrc_extra: key(text, {
      samples: ['/etc/opt/simplex/torrc-extra'],
      doc: 'A file with further lines for the torrc.',
    }),
    single_hop: key(onOff, {
      missing: 'on',
      samples: ['on'],
      doc: 'With on the onion service is reached faster and shows where this machine is; with off it is an ordinary, anonymous one, which only makes sense when host names nothing but the onion name. The key of one is never used for the other.',
    }),
    pow: key(onOff, {
      missing: 'off',
      samples: ['off'],
      doc: 'Whether clients have to work for a connection while the onion service is flooded with requests. Apps whose tor cannot do that may not get through then.',
    }),
    max_streams: key(integer(1, 65_535), {
      samples: ['64'],
      doc: 'How many streams one circuit to the onion service may open; one that wants more is closed.',
    }),
    intro_defence: key(onOff, {
      missing: 'off',
      samples: ['off'],
      doc: 'With mode torrc: whether requests are limited at the introduction points while the onion service is flooded with them.',
    }),
    web: key(onOff, {
      missing: 'off',
      samples: ['off'],
      doc: 'Whether the pages of [WEB] can be reached under the onion name too, on ports 80 and 443.',
    }),
    socks_port: key(port, {
      samples: ['9060'],
      doc: 'The relay runs an ordinary tor with this SOCKS port on 127.0.0.1, which [PROXY] socks_proxy names, to reach relays that have an onion name only.',
    }),
    check_interval: key(integer(10, aDay), {
      missing: '1800',
      samples: ['1800'],
      doc: 'Seconds between two proofs that the onion service can be reached, each one a connection through Tor as users make it.',
    }),
  },
} as const

export type IniKeys = typeof iniKeys
export type SectionName = keyof IniKeys
export type KeyName<S extends SectionName> = keyof IniKeys[S] & string
export type KeyValue<S extends SectionName, K extends KeyName<S>> = IniKeys[S][K] extends IniKey<infer T> ? T : never

export interface KeyRow {
  readonly section: SectionName
  readonly name: string
  readonly definition: IniKey<unknown>
}

/** The table row by row, in the order of a generated file. */
export function keyRows(): KeyRow[] {
  return sectionNames().flatMap((section) =>
    Object.entries<IniKey<unknown>>(iniKeys[section]).map(([name, definition]) => ({ section, name, definition })),
  )
}

export function isSectionName(name: string): name is SectionName {
  return name in iniKeys
}

export function sectionNames(): SectionName[] {
  return Object.keys(iniKeys).filter(isSectionName)
}
