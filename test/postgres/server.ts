import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'

const run = promisify(execFile)

export interface PostgresOptions {
  /** An empty directory, or one that an earlier server of a test has left. */
  readonly directory: string
  /** When this process ends, so does the server, and its directory is removed. */
  readonly owner: number
  /** Lines of `postgresql.conf`. */
  readonly settings?: readonly string[]
  /** Lines of `pg_hba.conf`; everybody on this machine is trusted when absent. */
  readonly access?: readonly string[]
  /** A copy of this server's data, which follows it, instead of a new cluster. */
  readonly standbyOf?: PostgresServer
}

/** Answers in milliseconds; `kill -9` and a restart lose nothing, a power cut would. */
const FAST = ['fsync = off', 'shared_buffers = 32MB', 'max_connections = 200', 'log_min_messages = fatal']

/** Every server has a directory of its own, so that the port is only a part of the socket's name. */
const PORT = 5432

/** A PostgreSQL of Debian's package that belongs to the tests, with a unix socket and without TCP. */
export class PostgresServer {
  readonly directory: string
  readonly data: string
  readonly #owner: number

  private constructor({ directory, owner }: PostgresOptions) {
    this.directory = directory
    this.data = join(directory, 'data')
    this.#owner = owner
  }

  /** Creates a cluster with `initdb`, or a copy of a running one, and starts it. */
  static async create(options: PostgresOptions): Promise<PostgresServer> {
    const server = new PostgresServer(options)
    await ownedByServer(server.directory)
    const { standbyOf, settings = [], access } = options
    if (standbyOf === undefined) {
      await asServer('initdb', ['-D', server.data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'])
    } else {
      await asServer('pg_basebackup', ['-h', standbyOf.directory, '-U', 'postgres', '-D', server.data, '-X', 'stream'])
      await writeFile(join(server.data, 'standby.signal'), '')
    }
    const own = [`unix_socket_directories = '${server.directory}'`, "listen_addresses = ''", `port = ${PORT}`]
    const follow = standbyOf && [
      `primary_conninfo = 'host=${standbyOf.directory} user=postgres application_name=standby'`,
    ]
    const lines = [...FAST, ...own, ...(follow ?? []), ...settings]
    await writeFile(join(server.data, 'postgresql.auto.conf'), lines.map((line) => `${line}\n`).join(''))
    if (access) await writeFile(join(server.data, 'pg_hba.conf'), access.map((line) => `${line}\n`).join(''))
    await ownedByServer(server.directory, true)
    await server.start()
    return server
  }

  /** A server that another process has created in this directory. */
  static at(options: PostgresOptions): PostgresServer {
    return new PostgresServer(options)
  }

  /** Starts it again after {@link stop}. */
  async start(): Promise<void> {
    const user = await serverUser()
    const command = [await programPath('postgres'), '-D', this.data]
    if (process.getuid?.() === 0) {
      command.unshift('setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups')
    }
    // Ends with its owner, however that ends.
    const script = `directory=$1 owner=$2; shift 2
      "$@" >>"$directory/log" 2>&1 & server=$!
      while kill -0 $owner 2>/dev/null; do sleep 0.5; kill -0 $server 2>/dev/null || exit 0; done
      kill -INT $server; wait $server; rm -rf "$directory"`
    const args = ['-c', script, 'sh', this.directory, String(this.#owner), ...command]
    spawn('sh', args, { stdio: 'ignore', detached: true, cwd: '/' }).unref()
    const end = Date.now() + 60_000
    while (!(await this.#answers())) {
      if (Date.now() > end) throw new Error(`PostgreSQL does not start, see ${this.directory}/log`)
      await sleep(20)
    }
  }

  /** fast: connections are cut, all is written; immediate: as after a crash. */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await asServer('pg_ctl', ['stop', '-D', this.data, '-m', mode, '-w', '-t', '60'])
  }

  async promote(): Promise<void> {
    await asServer('pg_ctl', ['promote', '-D', this.data, '-w', '-t', '60'])
  }

  async remove(): Promise<void> {
    if (existsSync(join(this.data, 'postmaster.pid'))) await this.stop('immediate').catch(() => undefined)
    await rm(this.directory, { recursive: true, force: true })
  }

  /** A connection string for a database of this server. */
  uri(database = 'postgres', user = 'postgres'): string {
    return `postgresql://${user}@/${database}?host=${encodeURIComponent(this.directory)}`
  }

  /** A new, empty database: its name, and a connection string for a role that owns it and is no superuser. */
  async createDatabase(): Promise<{ name: string; uri: string }> {
    const name = `smp_${randomUUID().replaceAll('-', '')}`
    await this.query(`CREATE ROLE ${name} LOGIN`)
    await this.query(`CREATE DATABASE ${name} OWNER ${name}`)
    return { name, uri: this.uri(name, name) }
  }

  /** One or several statements, as superuser. */
  async query<R extends object = Record<string, unknown>>(sql: string, database = 'postgres'): Promise<R[]> {
    const client = new Client({ host: this.directory, port: PORT, user: 'postgres', database })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query<R>(sql)).rows
    } finally {
      await client.end()
    }
  }

  async #answers(): Promise<boolean> {
    return await this.query('SELECT 1').then(
      () => true,
      () => false,
    )
  }
}

/** A server of one test file; it ends with the file's process. */
export async function temporaryPostgres(
  options: Omit<PostgresOptions, 'directory' | 'owner'> = {},
): Promise<PostgresServer> {
  const directory = await mkdtemp(join(tmpdir(), 'smp-pg-'))
  return await PostgresServer.create({ ...options, directory, owner: process.pid })
}

/** Runs a program of PostgreSQL as the user that the server runs as. */
export async function asServer(program: string, args: readonly string[]): Promise<string> {
  return (await run(await programPath(program), args, { ...(await serverUser()), cwd: '/' })).stdout
}

/** PostgreSQL refuses to run as root. */
async function serverUser(): Promise<{ uid: number; gid: number }> {
  if (process.getuid?.() !== 0) return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const idOf = async (flag: string): Promise<number> => Number((await run('id', [flag, 'postgres'])).stdout)
  return { uid: await idOf('-u'), gid: await idOf('-g') }
}

async function ownedByServer(directory: string, all = false): Promise<void> {
  const { uid, gid } = await serverUser()
  await mkdir(directory, { recursive: true })
  // Relays of other users connect through the socket in it.
  await chmod(directory, 0o755)
  if (process.getuid?.() === 0) await run('chown', [...(all ? ['-R'] : []), `${uid}:${gid}`, directory])
}

/** Debian keeps the programs of each version in a directory of its own. */
async function programPath(program: string): Promise<string> {
  const versions = await readdir('/usr/lib/postgresql')
  const [newest] = versions.toSorted((a, b) => Number(b) - Number(a))
  return `/usr/lib/postgresql/${newest}/bin/${program}`
}
