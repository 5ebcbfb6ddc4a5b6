import { userInfo } from 'node:os'

/** Parameters of a connection by the names that libpq has for them; all are strings as they were written. */
export type ConnectionParameters = ReadonlyMap<string, string>

/** Where PostgreSQL answers: a directory with its unix socket, or a host. */
export interface DatabaseHost {
  readonly host: string
  readonly port: number
}

export interface DatabaseAddress {
  /** To be tried in this order. */
  readonly hosts: readonly DatabaseHost[]
  readonly user: string
  readonly database: string
  readonly parameters: ConnectionParameters
}

/** Why a connection string cannot be read, without anything of it that may be a password. */
export class ConnectionStringError extends Error {
  override readonly name = 'ConnectionStringError'
}

/** What libpq takes from the environment for a parameter that is not given. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  host: 'PGHOST',
  port: 'PGPORT',
  user: 'PGUSER',
  dbname: 'PGDATABASE',
  password: 'PGPASSWORD',
  passfile: 'PGPASSFILE',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  connect_timeout: 'PGCONNECT_TIMEOUT',
}

const KNOWN: ReadonlySet<string> = new Set([
  ...Object.keys(ENVIRONMENT),
  ...['hostaddr', 'application_name', 'fallback_application_name', 'target_session_attrs', 'client_encoding'],
  ...['keepalives', 'keepalives_idle', 'keepalives_interval', 'keepalives_count', 'tcp_user_timeout', 'options'],
  ...['channel_binding', 'gssencmode', 'sslcompression', 'sslnegotiation', 'sslpassword', 'sslcrl', 'sslsni'],
  ...['ssl_min_protocol_version', 'ssl_max_protocol_version', 'load_balance_hosts', 'require_auth'],
])

/** Where Debian's PostgreSQL has its socket, and libpq looks for it there. */
const SOCKET_DIRECTORY = '/var/run/postgresql'
const DEFAULT_PORT = 5432

/**
 * Reads a connection string as libpq does: a URI (`postgresql://user@host/database?sslmode=require`) or keywords and
 * values (`host=/run/postgresql dbname=smp_server_store`). A missing host is the socket directory of Debian.
 *
 * @throws ConnectionStringError
 */
export function parseConnectionString(text: string, environment: NodeJS.ProcessEnv = process.env): DatabaseAddress {
  const given = /^postgres(ql)?:\/\//.test(text) ? parseUri(text) : parseKeywords(text)
  for (const name of given.keys()) {
    if (!KNOWN.has(name)) throw new ConnectionStringError(`there is no parameter "${name}"`)
  }
  const parameters = new Map(given)
  for (const [name, variable] of Object.entries(ENVIRONMENT)) {
    const value = environment[variable]
    if (value !== undefined && value !== '' && !parameters.has(name)) parameters.set(name, value)
  }
  const user = parameters.get('user') ?? userInfo().username
  return { hosts: hostsOf(parameters), user, database: parameters.get('dbname') ?? user, parameters }
}

function hostsOf(parameters: ConnectionParameters): DatabaseHost[] {
  const hosts = (parameters.get('hostaddr') ?? parameters.get('host') ?? '').split(',')
  const ports = (parameters.get('port') ?? '').split(',')
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw new ConnectionStringError(`${ports.length} ports do not match ${hosts.length} hosts`)
  }
  return hosts.map((host, index) => {
    const port = ports[ports.length > 1 ? index : 0] ?? ''
    return { host: host === '' ? SOCKET_DIRECTORY : host, port: port === '' ? DEFAULT_PORT : portNumber(port) }
  })
}

function portNumber(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) throw new ConnectionStringError(`"${text}" is no port`)
  return port
}

/** scheme://[user[:password]@][host[:port][,…]][/database][?name=value&…] */
function parseUri(text: string): Map<string, string> {
  const parts = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(text)
  if (parts === null) throw new ConnectionStringError('it is no postgresql:// URI')
  const [, userInfoPart, hostPart = '', database = '', query = ''] = parts
  const parameters = new Map<string, string>()
  const set = (name: string, value: string): void => {
    if (value !== '') parameters.set(name, decoded(value))
  }
  if (userInfoPart !== undefined) {
    const colon = userInfoPart.indexOf(':')
    set('user', colon < 0 ? userInfoPart : userInfoPart.slice(0, colon))
    if (colon >= 0) set('password', userInfoPart.slice(colon + 1))
  }
  if (hostPart !== '') {
    const places = hostPart.split(',').map(splitPort)
    set('host', places.map(({ host }) => host).join(','))
    if (places.some(({ port }) => port !== '')) set('port', places.map(({ port }) => port).join(','))
  }
  set('dbname', database)
  for (const pair of query === '' ? [] : query.split('&')) {
    const equals = pair.indexOf('=')
    if (equals < 0) throw new ConnectionStringError('a parameter behind "?" has no value')
    set(pair.slice(0, equals), pair.slice(equals + 1))
  }
  return parameters
}

/** An IPv6 address stands in brackets. */
function splitPort(place: string): { host: string; port: string } {
  const parts = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(place)
  if (parts === null) throw new ConnectionStringError('a host has a port that is no number')
  return { host: parts[1] ?? parts[2] ?? '', port: parts[3] ?? '' }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new ConnectionStringError('a "%" is not followed by two hexadecimal digits')
  }
}

/** name = value …, with quotes around a value that is empty or has blanks; a backslash makes the next character plain. */
function parseKeywords(text: string): Map<string, string> {
  const parameters = new Map<string, string>()
  const pair = /\s*([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/gy
  const end = text.trimEnd().length
  while (pair.lastIndex < end) {
    const match = pair.exec(text)
    if (match === null) throw new ConnectionStringError('it is neither a postgresql:// URI nor a list of name=value')
    const [, name = '', quoted, plain = ''] = match
    const value = (quoted ?? plain).replace(/\\(.)/g, '$1')
    if (value !== '') parameters.set(name, value)
  }
  return parameters
}
