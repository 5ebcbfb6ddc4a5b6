import type * as v from 'valibot'
import {
  absolutePath,
  address,
  addressPassword,
  ageRecipients,
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
  privateHost,
  resolverAuth,
  socksProxy,
  text,
  webSocketPorts,
} from './key-values.ts'
import { schedule } from './schedule.ts'

type Schema = v.GenericSchema<string, unknown>

/** How `init` writes the key. */
interface GeneratedForm {
  /** The value of an active line. */
  readonly value?: string
  /** The values of commented samples, one line each. One blank is an empty sample with a blank after `=`. */
  readonly samples?: readonly string[]
  /** The separator; default ` = `. */
  readonly separator?: ': '
}

interface KeyOptions extends GeneratedForm {
  /** The comment above the key in a generated file, as one text. */
  readonly doc?: string
  /** A bad value is reported and ignored. */
  readonly lenient?: true
  /** The value is never shown in a message. */
  readonly secret?: true
  /** The relay must not run when a line with this key is ignored. */
  readonly guard?: {
    /** The value that protects; any value when absent. */
    readonly when?: string
    /** What would happen: a clause. */
    readonly risk: string
  }
  /** Why the key has no effect in this relay: a clause. */
  readonly unused?: string
  /** Read at the start only: a running relay takes a change over when it is restarted. */
  readonly restart?: true
  /** In [TOR], which a running relay follows by itself: read at a reload, as the keys of other sections are. */
  readonly reload?: true
}

/** One key of the INI file. `T` is the type of its value, without `undefined` when a default stands in. */
export interface IniKey<T> extends KeyOptions {
  readonly schema: Schema
  /** What the relay uses while the key is missing, as text. */
  readonly default: string | undefined
  /** Carries `T`; never set. */
  readonly type?: T
}

function key<S extends Schema>(schema: S, options: KeyOptions & { default: string }): IniKey<v.InferOutput<S>>
function key<S extends Schema>(schema: S, options?: KeyOptions): IniKey<v.InferOutput<S> | undefined>
function key(schema: Schema, options: KeyOptions & { default?: string } = {}): IniKey<unknown> {
  return { ...options, schema, default: options.default }
}

const aDay = 86_400
const aCentury = 100 * 365 * aDay

/**
 * Every key of `smp-server.ini`, in the order in which `init` writes them: allowed values, default, generated line and
 * the comment above it. Sections and keys have the names of upstream, except for [TOR], which is this relay's own.
 */
export const iniKeys = {
  INFORMATION: {
    source_code: key(text, {
      samples: ['URI'],
      doc: 'Where users find the source code of this relay; the AGPL requires it if you offer the service to others. Without it, nothing in this section is shown.',
    }),
    share_address: key(onOff, {
      default: 'off',
      samples: ['on'],
      doc: 'With on, the web site shows the address of this relay and its QR code, without the password. Anyone can use a relay that has no password then.',
    }),
    usage_conditions: key(optionalText, {
      samples: ['https://github.com/simplex-chat/simplex-chat/blob/stable/PRIVACY.md'],
      doc: 'Conditions of use: a link to them, and one to your amendments.',
    }),
    condition_amendments: key(optionalText, { samples: ['link'] }),
    server_country: key(country, {
      samples: ['ISO-3166 2-letter code'],
      doc: 'Country of the machine, and who operates this relay.',
    }),
    operator: key(optionalText, { samples: ['entity (organization or person name)'] }),
    operator_country: key(country, { samples: ['ISO-3166 2-letter code'] }),
    website: key(optionalText, { samples: [' '] }),
    admin_simplex: key(optionalText, { samples: ['SimpleX address'], doc: 'Contact of the administrator.' }),
    admin_email: key(optionalText, { samples: [''] }),
    admin_pgp: key(optionalText, { samples: [''] }),
    admin_pgp_fingerprint: key(optionalText, { samples: [''] }),
    complaints_simplex: key(optionalText, {
      samples: ['SimpleX address'],
      doc: 'Contact for complaints and feedback.',
    }),
    complaints_email: key(optionalText, { samples: [''] }),
    complaints_pgp: key(optionalText, { samples: [''] }),
    complaints_pgp_fingerprint: key(optionalText, { samples: [''] }),
    hosting: key(optionalText, {
      samples: ['entity (organization or person name)'],
      doc: 'Hosting provider, and type of hosting: virtual, dedicated, colocation or owned.',
    }),
    hosting_country: key(country, { samples: ['ISO-3166 2-letter code'] }),
    hosting_type: key(choice(['virtual', 'dedicated', 'colocation', 'owned']), { value: 'virtual' }),
  },

  STORE_LOG: {
    enable: key(onOff, {
      restart: true,
      guard: { when: 'on', risk: 'queues and messages would be lost at the next restart' },
      default: 'off',
      value: 'on',
      doc: 'on: queues and messages are stored on disk, and survive restarts, crashes and power cuts. off: everything is in memory, and lost when the relay stops.',
    }),
    store_queues: key(choice(['memory', 'database']), {
      restart: true,
      default: 'memory',
      value: 'memory',
      doc: "memory is the embedded store of this relay (the name is upstream's); database is PostgreSQL (docs/scaling.md); then store_messages is database, too.",
    }),
    db_connection: key(text, {
      restart: true,
      default: 'postgresql://smp@/smp_server_store',
      samples: ['postgresql://smp@/smp_server_store'],
      secret: true,
    }),
    db_schema: key(text, { restart: true, default: 'smp_server', samples: ['smp_server'] }),
    db_pool_size: key(integer(1, 1000), { restart: true, default: '10', samples: ['10'] }),
    db_store_log: key(onOff, {
      unused: 'this relay keeps no log of queues beside PostgreSQL',
      default: 'off',
      samples: ['off'],
    }),
    db_deleted_ttl: key(integer(0, aCentury), { restart: true, samples: ['21'] }),
    store_messages: key(choice(['memory', 'journal', 'database']), {
      restart: true,
      default: 'memory',
      value: 'memory',
    }),
    restore_messages: key(onOff, {
      restart: true,
      guard: { when: 'off', risk: 'undelivered messages would be kept on disk' },
      value: 'on',
      doc: 'Keep undelivered messages over a restart. Defaults to the value of enable.',
    }),
    expire_messages_days: key(integer(1, 36_500), {
      default: '21',
      value: '21',
      doc: 'Days after which undelivered messages are deleted: at start, and when another message arrives in the same queue.',
    }),
    expire_messages_on_start: key(onOff, { restart: true, default: 'on', value: 'on' }),
    expire_messages_on_send: key(onOff, { default: 'on', value: 'off' }),
    expire_ntfs_hours: key(integer(1, 876_000), {
      default: '24',
      value: '24',
      doc: 'Hours after which undelivered notifications are deleted.',
    }),
    log_stats: key(onOff, {
      restart: true,
      default: 'off',
      value: 'off',
      doc: 'Write one line of counters per day to smp-server-stats.daily.log: sums only, nothing about a single queue or user.',
    }),
    prometheus_interval: key(integer(1, aDay), {
      restart: true,
      samples: ['60'],
      lenient: true,
      doc: 'Write metrics in Prometheus format to smp-server-metrics.txt every so many seconds.',
    }),
    metrics_textfile: key(text, {
      samples: ['/var/lib/prometheus/node-exporter/smp-server.prom'],
      doc: "A file with the figures for node_exporter's textfile collector, without times and readable for everybody; written every prometheus_interval seconds, 60 when that is missing.",
    }),
    metrics_port: key(port, {
      samples: ['9100'],
      doc: 'Serve the same metrics, with those of the onion service and the process, at http://127.0.0.1:PORT/metrics, and a health check in JSON at /health. Only programs on this machine can reach it.',
    }),
  },

  AUTH: {
    new_queues: key(onOff, {
      guard: { when: 'off', risk: 'anyone could create queues' },
      default: 'on',
      value: 'on',
      doc: 'off: nobody can create queues; existing ones keep working. For retiring a relay.',
    }),
    create_password: key(addressPassword, {
      guard: { risk: 'the relay would be open to everyone' },
      samples: ['a password of your choice (printable characters, no blanks and no @ : /)'],
      secret: true,
      doc: 'Anyone with this password can create queues, and send through this relay to other relays. It is part of the address that you give to your users; their contacts never see it and need no password to send. Without a password the relay is open to everyone.',
    }),
    hide_password: key(onOff, {
      restart: true,
      guard: { when: 'on', risk: 'start would print the password into the log' },
      default: 'off',
      samples: ['off'],
      doc: 'on: `start` does not print the password, so that it is not in the log of the system or the container. `smp-server address` shows it.',
    }),
    control_port_admin_password: key(text, {
      samples: [' '],
      secret: true,
      doc: 'Passwords of the control port. Without a password, nobody can have that role.',
    }),
    control_port_user_password: key(text, { samples: [' '], secret: true }),
    daily_block_queue_quota: key(integer(-1, 1_000_000_000), {
      default: '20',
      samples: ['20'],
      doc: 'Queues that may be blocked through the control port per day (UTC). 0: no limit, -1: none.',
    }),
  },

  TRANSPORT: {
    host: key(hostList, {
      value: '<hostnames>',
      doc: 'Hosts under which apps reach this relay, separated by commas: the public name or IP address first, then the onion address. They are printed in the address; the relay listens on all addresses regardless.',
    }),
    port: key(portList, {
      value: '5223,443',
      doc: 'Ports to listen on. A port below 1024 that the user of the relay may not open is left out with a warning, unless it is the only one.',
    }),
    listen_host: key(address, {
      restart: true,
      guard: { risk: 'the relay would listen on all addresses' },
      samples: ['127.0.0.1'],
      doc: 'Listen on this address only, for a relay behind a proxy or an onion service on the same machine.',
    }),
    max_connections: key(integer(1, 10_000_000), {
      samples: ['10000'],
      doc: 'Connections at a time, over all ports. Defaults to what the limit of open files allows, minus a reserve.',
    }),
    max_connections_per_address: key(integer(0, 10_000_000), {
      default: '512',
      samples: ['512'],
      doc: 'Connections at a time from one public IP address (or IPv6 /64 network); 0: no limit. Loopback and private addresses, from which the onion service and proxies connect, have no such limit.',
    }),
    log_tls_errors: key(onOff, { default: 'off', value: 'off', doc: 'Log failed TLS handshakes.' }),
    websockets: key(webSocketPorts, {
      default: 'off',
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
      default: 'public',
      samples: ['public'],
      doc: 'This relay forwards messages to other relays, so that senders do not reveal their IP address to them. If a relay has several hosts, public prefers a public one and onion an onion address.',
    }),
    required_host_mode: key(onOff, {
      default: 'off',
      samples: ['off'],
      doc: 'on: fail instead of using a host of the other kind.',
    }),
    own_server_domains: key(domainList, {
      lenient: true,
      default: '',
      samples: [' '],
      doc: 'Domains of your other relays, separated by blanks. They are counted separately in the statistics.',
    }),
    socks_proxy: key(socksProxy, {
      samples: ['127.0.0.1:9050'],
      doc: 'SOCKS port of Tor, to reach relays that have only an onion address: those are never looked up in DNS. Every destination gets its own circuit; user:password@ in front sets fixed credentials, and @ alone sends none.',
    }),
    socks_mode: key(choice(['onion', 'always']), {
      guard: { when: 'always', risk: 'this relay would connect to other relays directly' },
      default: 'onion',
      samples: ['onion'],
      doc: 'onion: use SOCKS for onion addresses only. always: for all connections to other relays.',
    }),
    client_concurrency: key(integer(1, 100_000), {
      default: '32',
      samples: ['32'],
      doc: 'Messages of one connection that may be on their way to other relays at the same time.',
    }),
    allow_private: key(onOff, {
      guard: { when: 'off', risk: 'apps could make this relay connect to private addresses' },
      default: 'off',
      samples: ['off'],
      doc: 'on: apps can also make this relay connect to private addresses: this machine and its local network.',
    }),
  },

  NAMES: {
    enable: key(onOff, {
      default: 'off',
      value: 'off',
      separator: ': ',
      doc: 'Look up public names for apps, through a resolver of your choice.',
    }),
    resolver_endpoint: key(endpoint, {
      samples: ['http://127.0.0.1:8000', 'https://names.simplex.chat:443'],
      separator: ': ',
    }),
    resolver_auth: key(resolverAuth, {
      samples: ['basic <username>:<password>'],
      separator: ': ',
      secret: true,
      doc: 'Credentials, or bearer <token>. They are sent over https, or over http to this machine only.',
    }),
    resolver_timeout_ms: key(integer(100, 60_000), { default: '3000', samples: ['3000'], separator: ': ' }),
    resolver_max_response_bytes: key(integer(1024, 16_000), { default: '16000', samples: ['16000'], separator: ': ' }),
    resolver_concurrency: key(integer(1, 1_000_000), { default: '1000', samples: ['1000'] }),
  },

  INACTIVE_CLIENTS: {
    disconnect: key(onOff, {
      default: 'off',
      value: 'on',
      doc: 'Close connections without subscriptions that were idle for ttl seconds; checked every check_interval seconds.',
    }),
    ttl: key(integer(1, aCentury), { default: '21600', value: '21600' }),
    check_interval: key(integer(1, aCentury), { default: '3600', value: '3600' }),
  },

  WEB: {
    static_path: key(optionalText, {
      doc: 'The web site of this relay is generated in this directory at every start.',
    }),
    dashboard: key(onOff, {
      default: 'off',
      samples: ['on'],
      doc: 'A page for you at http://127.0.0.1:PORT/, with metrics_port of [STORE_LOG]: how the relay is, and charts of the last hour, day, 30 days and year. From another machine: ssh -L PORT:127.0.0.1:PORT HOST.',
    }),
    http: key(port, {
      samples: ['8000'],
      lenient: true,
      doc: 'Serve it over plain HTTP too, for a proxy or an onion service on this machine.',
    }),
    https: key(port, {
      lenient: true,
      value: '443',
      doc: 'Serve it over HTTPS, on a port of the relay or a port of its own. Put the certificate of your domain (the whole chain) and its key into these files; they are reloaded when they change. Until they exist, the relay runs without the site.',
    }),
    cert: key(optionalText),
    key: key(optionalText),
  },

  BACKUP: {
    directory: key(absolutePath, {
      samples: ['/var/opt/simplex/backups'],
      doc: 'Directory for automatic backups of the whole relay, also while it runs; none are made without it. It must exist, and the relay must be able to write to it. See docs/backup.md.',
    }),
    schedule: key(schedule, {
      default: '04:00',
      samples: ['04:00'],
      doc: 'When: a time of day, sun 04:00, hourly, daily, weekly, monthly, or five fields as in a crontab. A backup that was missed is made at the next start.',
    }),
    keep: key(integer(1, 10_000), {
      default: '7',
      samples: ['7'],
      doc: 'Number of automatic backups to keep. Older ones are deleted, but never a file that this relay did not make.',
    }),
    recipient: key(ageRecipients, {
      samples: ['age1...'],
      doc: 'Who can open backups: the public key that `age-keygen` prints, or several separated by commas. Keep the secret key away from this machine.',
    }),
    passphrase_file: key(absolutePath, {
      samples: ['/etc/opt/simplex/backup-passphrase'],
      doc: 'Instead of recipient: a file whose only line is the passphrase that opens backups.',
    }),
  },

  TOR: {
    mode: key(choice(['own', 'system', 'external', 'torrc']), {
      samples: ['own'],
      doc: 'Which Tor runs the onion service; `smp-server tor setup` sets it. own: a process of the relay. system: an instance that systemd runs. external: a Tor elsewhere, such as in another container, that the relay controls. torrc: the service and its key are in a torrc of the system, and the relay has no access to that Tor. Defaults to own if there is an onion key.',
    }),
    instance: key(text, {
      default: 'smp',
      samples: ['smp'],
      doc: 'Name of the Tor instance: tor@NAME.',
    }),
    control: key(text, {
      samples: ['/run/tor-instances/smp/control'],
      doc: 'Control port of that Tor: the path of a socket, or HOST:PORT. Found automatically by default, except with mode external.',
    }),
    control_password_file: key(absolutePath, {
      samples: ['/etc/opt/simplex/tor-password'],
      doc: 'File whose first line is the password of that control port; nobody but its owner may read it.',
    }),
    control_password: key(text, {
      samples: [' '],
      secret: true,
      doc: 'Instead of control_password_file: the password itself.',
    }),
    control_cookie: key(absolutePath, {
      samples: ['/run/tor/control.authcookie'],
      doc: 'The authentication cookie of that Tor, if this machine sees it at another path than Tor.',
    }),
    target: key(privateHost, {
      samples: ['relay.internal'],
      doc: 'With mode external: host under which that Tor reaches this relay. HOST:PORT if port leads to another port there.',
    }),
    torrc_extra: key(text, {
      guard: { risk: 'Tor would run without these lines' },
      samples: ['/etc/opt/simplex/torrc-extra'],
      doc: 'File with extra lines for the torrc.',
    }),
    single_hop: key(onOff, {
      guard: { when: 'off', risk: 'the onion service would reveal the location of this machine' },
      samples: ['on'],
      doc: 'on: a faster single-hop onion service, which reveals the location of this machine. off: an anonymous one, which only makes sense if host has nothing but the onion address. A key is never used for both.',
    }),
    pow: key(onOff, {
      default: 'off',
      samples: ['off'],
      doc: 'During a flood of requests, require proof of work for connections to the onion service. Apps whose Tor does not support that may not get through then.',
    }),
    pow_rate: key(integer(1, 2_147_483_647), {
      samples: ['250'],
      doc: 'With pow: requests for connections that are let through per second; the others wait, the highest effort first.',
    }),
    pow_burst: key(integer(1, 2_147_483_647), {
      samples: ['2500'],
      doc: 'With pow: requests that may come at once; not less than pow_rate.',
    }),
    max_streams: key(integer(1, 65_535), {
      samples: ['64'],
      doc: 'Streams that one circuit to the onion service may open; a circuit that opens more is closed.',
    }),
    keep_tor: key(onOff, {
      default: 'off',
      samples: ['off'],
      doc: 'With mode own: Tor survives a restart of the relay, which then finds its onion service as it was. It ends if no relay adopts it within a minute.',
    }),
    circuit_port: key(port, {
      reload: true,
      samples: ['5228'],
      doc: 'Port on 127.0.0.1 for Tor alone, so that the relay can tell the circuits of the onion service apart and limit each of them. With mode own or torrc, and without web.',
    }),
    max_connections_per_circuit: key(integer(1, 10_000_000), {
      reload: true,
      default: '256',
      samples: ['256'],
      doc: 'With circuit_port: connections through one circuit at a time; a quarter of them may be in a handshake, and twice as many may begin in a minute.',
    }),
    intro_defence: key(onOff, {
      default: 'off',
      samples: ['off'],
      doc: 'With mode torrc: limit requests at the introduction points during a flood.',
    }),
    web: key(onOff, {
      default: 'off',
      samples: ['off'],
      doc: 'Serve the web site under the onion address too, on ports 80 and 443.',
    }),
    socks_port: key(port, {
      samples: ['9060'],
      doc: 'Run a Tor with this SOCKS port on 127.0.0.1, for socks_proxy in [PROXY], to reach relays that have only an onion address.',
    }),
    check_interval: key(integer(10, aDay), {
      default: '1800',
      samples: ['1800'],
      doc: 'Seconds between two reachability checks of the onion service; each connects through Tor as apps do.',
    }),
  },

  CLUSTER: {
    workers: key(integer(1, 256), {
      restart: true,
      default: '1',
      samples: ['2'],
      doc: 'Processes that serve clients, to use several processors. More than one needs store_queues = database.',
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
