import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import type { Client, ClientConfig, QueryResultRow } from 'pg'
import { errorCode } from '../../system/error-code.ts'
import type { ConnectionParameters, DatabaseAddress, DatabaseHost } from './connection-string.ts'
import { DatabaseError, isDatabaseError } from './database-error.ts'
import { storedPassword } from './password-file.ts'
import { typeParsers } from './values.ts'

/** Milliseconds after which a host that says nothing is given up, when `connect_timeout` does not say otherwise. */
const CONNECT_TIMEOUT_MS = 5000
/** Milliseconds after which a connection that does not answer a query is given up. */
const ANSWER_TIMEOUT_MS = 15_000

/** A value of a parameter: text, bytes, or null; arrays are encoded as bytes (`values.ts`). */
export type Parameter = string | number | boolean | Buffer | null

/** A statement that is parsed once per connection. */
export interface Statement {
  /** No two statements have the same name. */
  readonly name: string
  readonly text: string
}

export interface ConnectOptions {
  readonly address: DatabaseAddress
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string
  /** A standby will do as well; by default only a server that can be written to. */
  readonly readOnly?: boolean
  readonly onWarning?: (sentence: string) => void
  /** Called once, when the connection was lost and not closed. */
  readonly onLost?: (error: Error) => void
  readonly answerTimeoutMs?: number
}

/** A connection to PostgreSQL. Queries are sent at once, and answered in their order (pipelining). */
export class Connection {
  readonly #client: Client
  #lost = false
  #closing = false

  /** @internal use {@link connect} */
  constructor(client: Client, onLost?: (error: Error) => void) {
    this.#client = client
    client.on('error', (error) => {
      const first = !this.#lost && !this.#closing
      this.#lost = true
      if (first) onLost?.(error)
    })
  }

  /** No query can be answered any more. */
  get lost(): boolean {
    return this.#lost
  }

  /** The number of the server's process for this connection. */
  get backend(): number {
    return (this.#client as Client & { processID: number }).processID
  }

  /** @throws DatabaseError */
  async query<R extends QueryResultRow>(statement: Statement, parameters: readonly Parameter[] = []): Promise<R[]> {
    const { name, text } = statement
    try {
      return (await this.#client.query<R>({ name, text, values: parameters as Parameter[] })).rows
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /**
   * Runs text once: several statements without parameters, or one with them.
   *
   * @returns the rows of the only statement
   * @throws DatabaseError
   */
  async run<R extends QueryResultRow>(text: string, parameters?: readonly Parameter[]): Promise<R[]> {
    try {
      return (await this.#client.query<R>({ text, ...(parameters && { values: parameters as Parameter[] }) })).rows
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /** Commits the open transaction; throws DatabaseError when it was rolled back instead, or nobody knows. */
  async commit(): Promise<void> {
    let command: string
    try {
      command = (await this.#client.query('COMMIT')).command
    } catch (error) {
      throw this.#failure(error)
    }
    // PostgreSQL answers COMMIT with ROLLBACK when a statement before it failed.
    if (command !== 'COMMIT') throw new DatabaseError('the transaction was rolled back')
  }

  onNotification(listener: (channel: string, payload: string) => void): void {
    this.#client.on('notification', ({ channel, payload }) => listener(channel, payload ?? ''))
  }

  async close(): Promise<void> {
    this.#closing = true
    await this.#client.end().catch(() => undefined)
  }

  #failure(error: unknown): DatabaseError {
    const failure = DatabaseError.from(error)
    if (failure.sqlState === undefined) this.#lost = true
    return failure
  }
}

/**
 * Connects to the first host that answers and, unless `readOnly`, can be written to.
 *
 * @throws DatabaseError of the last host
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { hosts, parameters } = options.address
  const anyServer = options.readOnly === true || parameters.get('target_session_attrs') === 'any'
  let failure: DatabaseError | undefined
  for (const host of hosts) {
    try {
      const connection = await connectToHost(host, options)
      if (anyServer || hosts.length === 0 || !(await isReadOnly(connection))) return connection
      await connection.close()
      failure = new DatabaseError(`${placeText(host)} is a standby and cannot be written to`, { sqlState: '25006' })
    } catch (error) {
      failure = DatabaseError.from(error)
    }
  }
  throw failure ?? new DatabaseError('no host is given')
}

export function placeText({ host, port }: DatabaseHost): string {
  return host.startsWith('/') ? `${host}/.s.PGSQL.${port}` : `${host.includes(':') ? `[${host}]` : host}:${port}`
}

async function isReadOnly(connection: Connection): Promise<boolean> {
  const text = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AS is_read_only"
  const [row] = await connection.run<{ is_read_only: boolean }>(text)
  return row?.is_read_only !== false
}

async function connectToHost(host: DatabaseHost, options: ConnectOptions): Promise<Connection> {
  const { address, onWarning } = options
  let password = address.parameters.get('password')
  if (password === undefined) {
    const stored = await storedPassword(address, host)
    if (stored.warning !== undefined) onWarning?.(stored.warning)
    password = stored.password
  }
  let failure: DatabaseError | undefined
  for (const ssl of await tlsAttempts(host, address.parameters)) {
    try {
      return await open(host, password, ssl, options)
    } catch (error) {
      failure = DatabaseError.from(error)
      // With sslmode prefer and allow, the other way is tried when the server refuses this one.
      if (failure.sqlState !== undefined && failure.sqlState !== '28000') break
    }
  }
  throw failure ?? new DatabaseError('no way to connect')
}

async function open(
  { host, port }: DatabaseHost,
  password: string | undefined,
  ssl: ConnectionOptions | false,
  { address, applicationName, onLost, answerTimeoutMs }: ConnectOptions,
): Promise<Connection> {
  const { Client } = (await import('pg')).default
  const seconds = Number(address.parameters.get('connect_timeout') ?? 0)
  const config: ClientConfig & { pipeline: boolean } = {
    host,
    port,
    user: address.user,
    database: address.database,
    // An empty password keeps the client from looking for one itself.
    password: password ?? '',
    ssl,
    types: typeParsers,
    pipeline: true,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: seconds > 0 ? seconds * 1000 : CONNECT_TIMEOUT_MS,
    query_timeout: answerTimeoutMs ?? ANSWER_TIMEOUT_MS,
    application_name: address.parameters.get('application_name') ?? applicationName ?? 'smp-server',
  }
  const client = new Client(config)
  const connection = new Connection(client, onLost)
  try {
    await client.connect()
    return connection
  } catch (error) {
    await connection.close()
    throw isPasswordMissing(error) ? new DatabaseError('it asks for a password, and none was found', ASKED) : error
  }
}

/** What PostgreSQL would say. */
const ASKED = { sqlState: '28P01' }

/** The client notices it before PostgreSQL does. */
function isPasswordMissing(error: unknown): boolean {
  return error instanceof Error && /^SASL: .*password must be/.test(error.message)
}

/**
 * How TLS is tried, in this order, by `sslmode` as libpq has it. A unix socket has no TLS.
 *
 * @throws DatabaseError for an unknown mode, or a file that cannot be read
 */
async function tlsAttempts(
  { host }: DatabaseHost,
  parameters: ConnectionParameters,
): Promise<readonly (ConnectionOptions | false)[]> {
  if (host.startsWith('/')) return [false]
  const mode = parameters.get('sslmode') ?? 'prefer'
  if (mode === 'disable') return [false]
  const root = parameters.get('sslrootcert')
  const ca = root === 'system' ? undefined : await optionalFile(root, 'root.crt')
  const common: ConnectionOptions = {
    ...(ca !== undefined && { ca }),
    cert: await optionalFile(parameters.get('sslcert'), 'postgresql.crt'),
    key: await optionalFile(parameters.get('sslkey'), 'postgresql.key'),
  }
  const anyName = { checkServerIdentity: () => undefined }
  switch (mode) {
    case 'allow':
      return [false, { ...common, rejectUnauthorized: false }]
    case 'prefer':
      return [{ ...common, rejectUnauthorized: false }, false]
    case 'require':
      return [ca === undefined ? { ...common, rejectUnauthorized: false } : { ...common, ...anyName }]
    case 'verify-ca':
      return [{ ...common, ...anyName }]
    case 'verify-full':
      return [common]
    default:
      throw new DatabaseError(`sslmode=${mode} is unknown`)
  }
}

/** A file that is named, or the one that libpq looks for when there is one. */
async function optionalFile(path: string | undefined, name: string): Promise<string | undefined> {
  try {
    return await readFile(path ?? join(homedir(), '.postgresql', name), 'utf8')
  } catch (error) {
    if (path === undefined) return undefined
    throw new DatabaseError(`${path} cannot be read (${errorCode(error) ?? String(error)})`, { cause: error })
  }
}

export { isDatabaseError }
