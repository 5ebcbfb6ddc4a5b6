import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openPostgresStore } from '../../src/store/postgres.ts'
import { connectClient, type SmpClient } from '../client/client.ts'
import type { Queue } from '../client/queue.ts'
import { temporaryPostgres, type PostgresServer } from '../postgres/server.ts'
import { startTestRelay, type TestRelay, type TestRelayOptions } from './relay.ts'
import { ok, pong } from './setting.ts'
import { useServer } from './store.ts'

/** Ended after each test, the last first. */
const opened: (() => Promise<void> | void)[] = []
afterEach(async () => {
  useServer(undefined)
  for (const end of opened.splice(0).toReversed()) await end()
})

const postgres = async (...args: Parameters<typeof temporaryPostgres>): Promise<PostgresServer> => {
  const server = await temporaryPostgres(...args)
  opened.push(() => server.remove())
  return server
}
/** For all tests but that of the fail-over. */
let server: PostgresServer
beforeAll(async () => {
  server = await temporaryPostgres()
})
afterAll(() => server.remove())

const newestDatabase = async (): Promise<string> => {
  const text = "SELECT datname AS name FROM pg_database WHERE datname LIKE 'smp_%' ORDER BY oid DESC LIMIT 1"
  const [row] = await server.query<{ name: string }>(text)
  return row?.name ?? ''
}

const startRelay = async (server: PostgresServer, options: TestRelayOptions = {}): Promise<TestRelay> => {
  useServer(server)
  const relay = await startTestRelay({ store: 'postgres', ...options })
  opened.push(() => relay.stop())
  return relay
}
const connect = async (relay: TestRelay): Promise<SmpClient> => {
  const client = await connectClient(relay.address)
  opened.push(() => client.close())
  return client
}

/** Everything that waits in a queue, acknowledged: the first characters of each message. */
const drain = async (client: SmpClient, queue: Queue): Promise<string[]> => {
  const texts: string[] = []
  await client.sub(queue)
  for (let message = await client.receive(queue); ;) {
    if (message.type === 'message') texts.push(message.body.toString('latin1', 0, 8).trimEnd())
    const reply = await client.ack(queue, message.id)
    if (reply.type !== 'MSG') return texts
    message = client.read(queue, reply)
  }
}

it('when the primary server dies, the relay goes on with the standby, which has everything that got OK', async () => {
  const primary = await postgres()
  const standby = await postgres({ standbyOf: primary })
  await primary.query("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
  await primary.query('SELECT pg_reload_conf()')
  const relay = await startRelay(primary, {
    through: (connection) => connection.replace(/host=[^&]*/, `$&,${encodeURIComponent(standby.directory)}`),
  })
  const alone = { schema: 'smp_server', poolSize: 1, quota: 128, fingerprint: 'any' }
  await expect(openPostgresStore({ ...alone, connection: standby.uri() })).rejects.toThrow('can only be read')
  const sender = await connect(relay)
  const queue = await sender.createQueue({ subscribe: false })
  const sent: string[] = []
  const promised: string[] = []
  const over = new AbortController()
  const sending = (async () => {
    while (!over.signal.aborted && sent.length < 120) {
      const text = String(sent.length)
      sent.push(text)
      const reply = await sender.send(queue, text)
      if (reply.type === 'OK') promised.push(text)
      else expect(reply.type === 'ERR' && reply.error).toMatch(/^STORE/)
    }
  })()
  await expect.poll(() => promised.length).toBeGreaterThan(10)
  await primary.stop('immediate')
  await standby.promote()
  const { length } = promised
  await expect.poll(() => promised.length).toBeGreaterThan(length + 10)
  over.abort()
  await sending
  const arrived = await drain(await connect(relay), queue)
  expect(arrived.filter((text) => promised.includes(text))).toEqual(promised)
  expect(arrived).toEqual(sent.filter((text) => arrived.includes(text)))
}, 60_000)

it('while all connections of the pool wait for a lock, other commands are answered, and then everything goes on', async () => {
  const relay = await startRelay(server)
  const sender = await connect(relay)
  const queues = await Promise.all(Array.from({ length: 8 }, () => sender.createQueue({ subscribe: false })))
  const holder = new Client({ host: server.directory, user: 'postgres', database: await newestDatabase() })
  await holder.connect()
  opened.push(() => holder.end())
  await holder.query('BEGIN; SELECT 1 FROM smp_server.msg_queues FOR UPDATE')
  const senders = await Promise.all(queues.map(() => connect(relay)))
  const replies = queues.map(async (queue, at) => senders[at]?.send(queue, 'waits'))
  expect(await sender.ping()).toEqual(pong)
  await new Promise((resolve) => setTimeout(resolve, 2500))
  expect(await sender.ping()).toEqual(pong)
  await holder.query('ROLLBACK')
  expect(await Promise.all(replies)).toEqual(queues.map(() => ok))
  for (const queue of queues) expect(await drain(sender, queue)).toEqual(['waits'])
}, 60_000)

it('relays whose clocks are ten minutes apart serve the same queues, and neither takes the other for dead', async () => {
  const relay = await startRelay(server)
  const ahead = await relay.another({ ahead: 600_000 })
  opened.push(() => ahead.stop())
  for (const [here, there] of [
    [relay, ahead],
    [ahead, relay],
  ] as const) {
    const [recipient, sender] = [await connect(here), await connect(there)]
    const queue = await recipient.createQueue()
    for (let number = 0; number < 3; number++) {
      expect(await sender.send(queue, String(number))).toEqual(ok)
      const message = await recipient.receive(queue)
      expect(message.type === 'message' && message.body.toString()).toBe(String(number))
      expect(await recipient.ack(queue, message.id)).toEqual(ok)
    }
  }
  const before = Math.floor(Date.now() / 1000) - 21 * 86_400
  for (const { serving } of [relay, ahead]) {
    const { engine } = serving.core
    if (engine.loads) expect((await engine.expireQueues(before)).expired).toBe(0)
  }
  expect(await server.query('SELECT relay_id FROM smp_server_relays.relays', await newestDatabase())).toHaveLength(2)
}, 60_000)

describe.runIf(process.getuid?.() === 0)('with a small disk (needs root, to mount)', () => {
  it('a full disk of PostgreSQL is an error for senders, nothing that got OK is lost, and it goes on when there is room', async () => {
    const disk = mkdtempSync(join(tmpdir(), 'smp-pg-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=777', 'tmpfs', disk])
    opened.unshift(() => {
      execFileSync('umount', ['-l', disk])
      rmSync(disk, { recursive: true })
    })
    execFileSync('chown', ['postgres:', disk])
    await server.query(`CREATE TABLESPACE small LOCATION '${disk}'`)
    await server.query('GRANT CREATE ON TABLESPACE small TO PUBLIC')
    await server.query("ALTER SYSTEM SET default_tablespace = 'small'")
    await server.query('SELECT pg_reload_conf()')
    const relay = await startRelay(server)
    const sender = await connect(relay)
    const queues = await Promise.all(Array.from({ length: 8 }, () => sender.createQueue({ subscribe: false })))
    const promised = new Map<Queue, string[]>(queues.map((queue) => [queue, []]))
    let refusals = 0
    const send = async (queue: Queue, number: number): Promise<void> => {
      // PostgreSQL would compress anything else.
      const body = Buffer.concat([Buffer.from(String(number).padEnd(8)), randomBytes(16_000)])
      const reply = await sender.send(queue, body)
      if (reply.type === 'OK') promised.get(queue)?.push(String(number))
      else {
        expect(reply.type === 'ERR' && reply.error).toMatch(/^STORE/)
        refusals++
      }
    }
    for (let number = 0; number < 120 && refusals === 0; number++) {
      await Promise.all(queues.map((queue) => send(queue, number)))
    }
    expect(refusals).toBeGreaterThan(0)
    expect(await sender.ping()).toEqual(pong)
    execFileSync('mount', ['-o', 'remount,size=64m', disk])
    const failed = refusals
    await Promise.all(queues.map((queue) => send(queue, 999)))
    expect(refusals).toBe(failed)
    const recipient = await connect(relay)
    for (const queue of queues) expect(await drain(recipient, queue)).toEqual(promised.get(queue))
  }, 60_000)
})
