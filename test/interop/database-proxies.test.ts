import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { connectClient, type SmpClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import { newDatabase } from '../postgres/database.ts'
import { buildProgram, freePort, Installation, type RunningCommand } from './cli-process.ts'

/*
 * Two relays behind HAProxy, on one PostgreSQL behind PgBouncer, as docs/scaling.md says.
 */

const [haproxy, pgbouncer] = ['/usr/sbin/haproxy', '/usr/sbin/pgbouncer']
const areInstalled = [haproxy, pgbouncer].every((path) => existsSync(path))

const directory = mkdtempSync(join(tmpdir(), 'smp-proxies-'))
const [first, second] = [new Installation(), new Installation()]
const programs: ChildProcess[] = []
const running: RunningCommand[] = []
let address: RelayAddress
let name: string

/** Nobody but root may become another user, and neither program wants to be root. */
const runAs = process.getuid?.() === 0 ? ['-u', 'postgres'] : []

/** The directory of its socket. */
const startPgBouncer = async (mode: 'session' | 'transaction', postgres: string): Promise<string> => {
  const own = join(directory, mode)
  mkdirSync(own)
  writeFileSync(join(own, 'users'), `"${name}" ""\n`)
  const lines = [
    '[databases]',
    `* = host=${postgres} port=5432`,
    '[pgbouncer]',
    'listen_addr =',
    'listen_port = 5432',
    `unix_socket_dir = ${own}`,
    'auth_type = trust',
    `auth_file = ${join(own, 'users')}`,
    `pool_mode = ${mode}`,
    'default_pool_size = 60',
  ]
  writeFileSync(join(own, 'pgbouncer.ini'), `${lines.join('\n')}\n`)
  if (runAs.length > 0) execFileSync('chown', ['-R', 'postgres:', own])
  programs.push(spawn(pgbouncer, [...runAs, '-q', join(own, 'pgbouncer.ini')], { stdio: 'ignore' }))
  await vi.waitUntil(() => existsSync(join(own, '.s.PGSQL.5432')), { timeout: 10_000 })
  return own
}

const startHaproxy = (port: number, servers: readonly number[], more = ''): void => {
  const file = join(directory, `haproxy-${port}.cfg`)
  const lines = [
    'defaults',
    '  mode tcp',
    '  timeout connect 2s',
    '  timeout client 1m',
    '  timeout server 1m',
    'listen smp',
    `  bind 127.0.0.1:${port}`,
    '  balance roundrobin',
    '  option tcp-check',
    '  option redispatch',
    ...servers.map((one, index) => `  server relay${index + 1} 127.0.0.1:${one} check inter 200 fall 1 ${more}`),
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  programs.push(spawn(haproxy, ['-db', '-f', file], { stdio: 'ignore' }))
}

const start = async (relay: Installation, ...args: string[]): Promise<RunningCommand> => {
  const started = relay.start(['start', ...args])
  running.push(started)
  await started.shows(/Listening on port/)
  return started
}

/** The proxies may still be starting, or find out that a relay is gone. */
const connectTo = async (port: number): Promise<SmpClient> => {
  let client: SmpClient | undefined
  await expect
    .poll(async () => (client = await connectClient({ ...address, port }).catch(() => undefined)), { timeout: 10_000 })
    .toBeDefined()
  if (client === undefined) throw new Error('not connected')
  return client
}

describe.runIf(areInstalled)('relays behind proxies (needs the Debian packages haproxy and pgbouncer)', () => {
  let postgres: string

  beforeAll(async () => {
    chmodSync(directory, 0o755)
    await buildProgram()
    address = await first.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
    const database = await newDatabase()
    postgres = database.server.directory
    name = database.name
    for (const key of ['store_queues', 'store_messages']) first.set('STORE_LOG', key, 'database')
    const connection = (host: string): string => `postgresql://${name}@/${name}?host=${encodeURIComponent(host)}`
    first.set('STORE_LOG', 'db_connection', connection(await startPgBouncer('session', postgres)))
    first.set('TRANSPORT', 'log_tls_errors', 'on')
    cpSync(first.config, second.config, { recursive: true })
    second.set('TRANSPORT', 'port', String(await freePort()))
  })
  afterAll(async () => {
    await Promise.all([first.remove(), second.remove()])
    for (const program of programs) program.kill('SIGTERM')
    rmSync(directory, { recursive: true, force: true })
  })

  it('clients of HAProxy reach each other over two relays whose PgBouncer pools sessions, and go on when one is killed', async () => {
    const one = await start(first, '--confirm-migrations', 'up')
    await start(second)
    const ports = [first, second].map((relay) => Number(relay.value('TRANSPORT', 'port')))
    const port = await freePort()
    startHaproxy(port, ports)
    const [recipient, sender] = [await connectTo(port), await connectTo(port)]
    const status = (relay: Installation): unknown => JSON.parse(relay.run(['status', '--json']).stdout)
    for (const relay of [first, second]) expect(status(relay)).toMatchObject({ connections: 1 })
    const queue = await recipient.createQueue()
    expect(await sender.send(queue, 'over two relays')).toEqual({ type: 'OK' })
    const message = await recipient.receive(queue)
    expect(message.type === 'message' && message.body.toString()).toBe('over two relays')

    one.kill('SIGKILL')
    await one.ended()
    await Promise.all([recipient.close(), sender.close()])
    const again = await connectTo(port)
    await again.sub(queue)
    const same = await again.receive(queue)
    expect(same.type === 'message' && same.body.toString()).toBe('over two relays')
    await again.close()
  }, 60_000)

  it('a HAProxy that sends a PROXY header is named in the log of the relay, with log_tls_errors', async () => {
    const relay = running[1]
    const port = await freePort()
    startHaproxy(port, [Number(second.value('TRANSPORT', 'port'))], 'send-proxy check-send-proxy')
    await expect
      .poll(
        async () => {
          await connectClient({ ...address, port }).catch(() => undefined)
          return relay?.output.stderr
        },
        { timeout: 10_000 },
      )
      .toMatch(/a proxy in front of the relay sends a PROXY header; turn that off/)
  }, 30_000)

  it('a PgBouncer that pools transactions is refused, with what to set', async () => {
    const own = await startPgBouncer('transaction', postgres)
    second.set('STORE_LOG', 'db_connection', `postgresql://${name}@/${name}?host=${encodeURIComponent(own)}`)
    const refused = second.run(['start', '--maintenance'])
    expect([refused.status, refused.stdout]).toEqual([
      1,
      expect.stringMatching(/relays would not hear each other.*\n.*pool_mode = session/),
    ])
  })
})
