import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type PostgresServer, temporaryPostgres } from '../postgres/server.ts'
import { processorTime, processTree } from './processor-time.ts'

const MIB = 1024 ** 2

/** A PostgreSQL of its own that writes to the disk as an operator's does, with a database for one measurement after the other. */
export class DatabaseServer {
  readonly #server: PostgresServer
  readonly #pid: number
  readonly #profileDirectory: string | undefined

  private constructor(server: PostgresServer, profileDirectory: string | undefined) {
    this.#server = server
    this.#pid = Number(readFileSync(join(server.data, 'postmaster.pid'), 'utf8').split('\n', 1)[0])
    this.#profileDirectory = profileDirectory
  }

  /** @param profileDirectory where the statements of each measurement are listed, with their times */
  static async start(profileDirectory: string | undefined): Promise<DatabaseServer> {
    const statements = ["shared_preload_libraries = 'pg_stat_statements'", 'pg_stat_statements.track_utility = on']
    const settings = [
      'fsync = on',
      'shared_buffers = 256MB',
      'max_wal_size = 4GB',
      ...(profileDirectory === undefined ? [] : statements),
    ]
    const server = new DatabaseServer(await temporaryPostgres({ settings }), profileDirectory)
    if (profileDirectory !== undefined) await server.#server.query('CREATE EXTENSION pg_stat_statements')
    return server
  }

  /** A connection string of a new database. */
  async newDatabase(): Promise<string> {
    return (await this.#server.createDatabase()).uri
  }

  /** Of all its processes so far, ms. */
  get processorTime(): number {
    return processorTime(processTree(this.#pid))
  }

  /** Bytes of a database of this server. */
  async sizeOf(uri: string): Promise<number> {
    const [row] = await this.#server.query<{ size: string }>(`SELECT pg_database_size('${nameIn(uri)}')::text AS size`)
    return Number(row?.size)
  }

  /** Has the tables looked at, as the server does by itself in time. */
  async settle(uri: string): Promise<void> {
    await this.#server.query('VACUUM ANALYZE', nameIn(uri))
    await this.#server.query('CHECKPOINT')
  }

  async forgetStatements(): Promise<void> {
    if (this.#profileDirectory !== undefined) await this.#server.query('SELECT pg_stat_statements_reset()')
  }

  /** Writes what statements have run since {@link forgetStatements}, those that took longest first. */
  async listStatements(label: string): Promise<void> {
    if (this.#profileDirectory === undefined) return
    const rows = await this.#server.query<Record<string, string>>(
      `SELECT calls, round(total_exec_time::numeric, 1) AS exec, round((1000 * mean_exec_time)::numeric, 1) AS mean, rows,
        regexp_replace(left(query, 160), '\\s+', ' ', 'g') AS query
        FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 40`,
    )
    const lines = rows.map(({ calls, exec, mean, rows: count, query }) =>
      [
        `${calls} calls`.padStart(14),
        `${exec} ms`.padStart(12),
        `${mean} us each`.padStart(16),
        `${count} rows`,
        query,
      ].join('  '),
    )
    writeFileSync(join(this.#profileDirectory, `${label}.statements.txt`), `${lines.join('\n')}\n`)
  }

  async remove(): Promise<void> {
    await this.#server.remove()
  }
}

export const mebibytes = (bytes: number): number => bytes / MIB

const nameIn = (uri: string): string => /@[^/]*\/(\w+)/.exec(uri)?.[1] ?? ''
