import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectClient, type SmpClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import type { Message, Queue } from '../client/queue.ts'
import { ControlClient } from '../conformance/control-client.ts'
import { newDatabase } from '../postgres/database.ts'
import type { PostgresServer } from '../postgres/server.ts'
import { buildProgram, freePort, Installation, type RunningCommand } from './cli-process.ts'

/** One relay that two processes serve. */
const relay = new Installation()
let address: RelayAddress
let running: RunningCommand
let control: ControlClient
let metricsPort: number
let server: PostgresServer
let role: string

beforeAll(async () => {
  await buildProgram()
  address = await relay.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
  const database = await newDatabase()
  server = database.server
  role = database.name
  const [controlPort, metrics] = [await freePort(), await freePort()]
  metricsPort = metrics
  const settings = {
    STORE_LOG: { store_queues: 'database', store_messages: 'database', db_connection: database.uri, log_stats: 'on' },
    TRANSPORT: { control_port: String(controlPort) },
    AUTH: { control_port_admin_password: 'admin' },
    CLUSTER: { workers: '2' },
  }
  for (const [section, keys] of Object.entries(settings)) {
    for (const [key, value] of Object.entries(keys)) relay.set(section, key, value)
  }
  relay.set('STORE_LOG', 'metrics_port', String(metricsPort))
  running = relay.start(['start', '--confirm-migrations', 'up'])
  await running.shows(/Listening on port \d+ with 2 workers/)
  control = await ControlClient.connect(controlPort)
  expect(await control.ask('auth admin')).toEqual(['Current role is CPRAdmin'])
})
afterAll(async () => {
  control.close()
  await relay.remove()
})

/** A client of a worker: of any, or of another one than `than`. */
const clientAt = async (than?: number): Promise<{ client: SmpClient; worker: number }> => {
  for (;;) {
    const before = await control.ask('socket-threads')
    const client = await connectClient(address)
    const [line] = (await control.ask('socket-threads')).filter((one) => !before.includes(one))
    const worker = Number(/ThreadId (\d+)/.exec(line ?? '')?.[1])
    if (worker !== than) return { client, worker }
    await client.close()
  }
}

const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1])
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** The worker that has the connection may be the one that is killed. */
const connectAgain = async (): Promise<SmpClient> => {
  for (;;) {
    const client = await connectClient(address).catch(() => undefined)
    if (client) return client
  }
}

const nextOf = (client: SmpClient, queue: Queue): Promise<Message> =>
  Promise.race([client.receive(queue), client.closed.then(() => Promise.reject(new Error('the connection was lost')))])

/** Acknowledges what comes into a queue until one says `last`; connects anew when the connection is lost. */
const receiveAll = async (queue: Queue, first: SmpClient, arrived: string[]): Promise<void> => {
  let client = first
  for (;;) {
    try {
      let message = await nextOf(client, queue)
      for (;;) {
        if (message.type === 'message') arrived.push(message.body.toString())
        const reply = await client.ack(queue, message.id)
        if (arrived.at(-1) === 'last') {
          await client.close()
          return
        }
        message = reply.type === 'MSG' ? client.read(queue, reply) : await nextOf(client, queue)
      }
    } catch {
      client = await connectAgain()
      await client.sub(queue)
    }
  }
}

it('status, metrics, control port and daily counters have the sum of all workers, and clients of two reach each other', async () => {
  const recipient = await clientAt()
  const sender = await clientAt(recipient.worker)
  const queue = await recipient.client.createQueue()
  const back = await sender.client.createQueue()
  for (let number = 0; number < 3; number++) {
    expect(await sender.client.send(queue, `to ${number}`)).toEqual({ type: 'OK' })
    const message = await recipient.client.receive(queue)
    expect(message.type === 'message' && message.body.toString()).toBe(`to ${number}`)
    await recipient.client.ack(queue, message.id)
  }
  expect(await recipient.client.send(back, 'fro')).toEqual({ type: 'OK' })
  await sender.client.receive(back)

  await expect.poll(() => metric('simplex_smp_messages_sent')).toBe(4)
  expect(await metric('simplex_smp_messages_received')).toBe(3)
  expect(await metric('simplex_smp_clients_total')).toBe(2)
  expect(await metric('smp_workers')).toBe(2)
  const stats = await control.ask('stats')
  expect(stats).toEqual(expect.arrayContaining(['msgSent: 4', 'daily active queues: 2', 'qCreated: 2']))
  expect((await control.ask('clients')).length).toBe(3)
  expect(await control.ask('server-info')).toEqual(
    expect.arrayContaining(['Clients: 2', 'SMP subscriptions: 2', 'SMP subscribed clients: 2']),
  )
  expect(await control.ask('sockets')).toContain('active: 2')
  const { status, stdout } = relay.run(['status', '--json'])
  const seen: unknown = JSON.parse(stdout)
  expect([status, seen]).toEqual([
    0,
    expect.objectContaining({ connections: 2, sent: 4, received: 3, workers: { running: 2, wanted: 2 } }),
  ])
  await Promise.all([recipient, sender].map(({ client }) => client.close()))
})

it('a reload changes what all workers do, and one that is started later, or none of them when one cannot take it over', async () => {
  relay.set('AUTH', 'new_queues', 'off')
  expect(relay.run(['reload'])).toMatchObject({ status: 0, stdout: 'Applied: [AUTH] new_queues.\n' })
  const first = await clientAt()
  const second = await clientAt(first.worker)
  const denied = { reply: { type: 'ERR', error: 'AUTH' } }
  for (const { client } of [first, second]) expect(await client.create()).toMatchObject(denied)
  process.kill(first.worker, 'SIGKILL')
  await expect.poll(() => metric('smp_worker_restarts_total')).toBe(1)
  await expect.poll(() => metric('smp_workers')).toBe(2)
  const third = await clientAt(second.worker)
  expect(await third.client.create()).toMatchObject(denied)
  relay.set('AUTH', 'new_queues', 'on')
  expect(relay.run(['reload'])).toMatchObject({ status: 0 })
  const allowed = { reply: { type: 'IDS' } }
  for (const { client } of [second, third]) expect(await client.create()).toMatchObject(allowed)

  // The one that was started last adapts last; when it cannot, the others go back.
  process.kill(third.worker, 'SIGSTOP')
  relay.set('AUTH', 'new_queues', 'off')
  const failing = relay.start(['reload'])
  await expect.poll(() => second.client.create()).toMatchObject(denied)
  const certificate = join(relay.config, 'server.crt')
  const text = readFileSync(certificate, 'utf8')
  writeFileSync(certificate, 'damaged')
  process.kill(third.worker, 'SIGCONT')
  const { status, stdout } = await failing.ended()
  expect([status, stdout]).toEqual([1, expect.stringContaining('server.crt')])
  for (const { client } of [second, third]) expect(await client.create()).toMatchObject(allowed)
  expect(await metric('smp_worker_restarts_total')).toBe(1)

  writeFileSync(certificate, text)
  relay.set('AUTH', 'new_queues', 'on')
  expect(relay.run(['reload'])).toMatchObject({ status: 0, stdout: 'No setting has changed.\n' })
  for (const { client } of [second, third]) await client.close()
})

it('workers that are killed under load are started again; what got OK arrives once and in order', async () => {
  const recipient = await clientAt()
  const other = await clientAt(recipient.worker)
  const queue = await recipient.client.createQueue()
  const arrived: string[] = []
  const receiving = receiveAll(queue, recipient.client, arrived)
  const promised: string[] = []
  let sender = other.client
  for (let number = 0; number < 200; number++) {
    if (number === 60) process.kill(other.worker, 'SIGKILL')
    if (number === 130) {
      await expect.poll(() => metric('smp_workers')).toBe(2)
      process.kill(recipient.worker, 'SIGKILL')
    }
    try {
      const reply = await sender.send(queue, String(number))
      if (reply.type === 'OK') promised.push(String(number))
    } catch {
      sender = await connectAgain()
    }
  }
  expect(await sender.send(queue, 'last')).toEqual({ type: 'OK' })
  promised.push('last')
  await receiving
  await sender.close()
  expect(promised.length).toBeGreaterThan(190)
  // One that was not acknowledged when its worker was killed comes again.
  expect([...new Set(arrived)].filter((text) => promised.includes(text))).toEqual(promised)
  expect(arrived.length - new Set(arrived).size).toBeLessThanOrEqual(2)

  await expect.poll(() => metric('smp_workers')).toBe(2)
  expect(await metric('smp_worker_restarts_total')).toBe(3)
  const { stderr } = running.output
  expect(stderr).toMatch(/Worker [12] was killed \(SIGKILL\); it is started again in (?:0\.5|1) s/)
  expect(stderr).toMatch(/Worker [12] serves again/)
}, 60_000)

it('SIGTERM stops all processes, with the counters of all of them; without the primary no worker stays', async () => {
  const workers = async (): Promise<number[]> => {
    const first = await clientAt()
    const second = await clientAt(first.worker)
    await Promise.all([first, second].map(({ client }) => client.close()))
    return [first.worker, second.worker]
  }
  const ended = await workers()
  const qCreated = async (): Promise<number> =>
    Number(/^qCreated: (\d+)$/m.exec((await control.ask('stats')).join('\n'))?.[1])
  const before = await qCreated()
  const { client } = await clientAt()
  for (let count = 0; count < 5; count++) await client.createQueue()
  running.kill('SIGTERM')
  const { status, stderr } = await running.ended()
  expect([status, stderr]).toEqual([0, expect.stringContaining('Server stopped')])
  expect(stderr).not.toContain('is killed')
  expect(ended.filter(isAlive)).toEqual([])
  const counted = readFileSync(join(relay.state, 'smp-server-stats.log'), 'utf8')
  expect(counted).toContain(`\nqCreated=${before + 5}\n`)

  const again = relay.start(['start'])
  await again.shows(/with 2 workers/)
  control.close()
  control = await ControlClient.connect(Number(relay.value('TRANSPORT', 'control_port')))
  await control.ask('auth admin')
  const orphans = await workers()
  again.kill('SIGKILL')
  await again.ended()
  await expect.poll(() => orphans.filter(isAlive)).toEqual([])
  const free = relay.start(['start'])
  await free.shows(/with 2 workers/)
  free.kill('SIGTERM')
  expect((await free.ended()).status).toBe(0)
}, 60_000)

it('several workers need PostgreSQL, and a worker that cannot serve ends the start', async () => {
  // The primary has one connection, and takes another one meanwhile.
  await server.query(`ALTER ROLE ${role} CONNECTION LIMIT 2`)
  const full = relay.run(['start'])
  expect([full.status, full.stdout]).toEqual([
    1,
    expect.stringMatching(/Worker [12] could not start: .*too many connections for role.*\n.*max_connections/),
  ])
  relay.set('STORE_LOG', 'store_queues', 'memory')
  relay.set('STORE_LOG', 'store_messages', 'memory')
  const { status, stdout } = relay.run(['start'])
  expect([status, stdout]).toEqual([1, expect.stringMatching(/cannot run with 2 workers.*memory.*\n.*database import/)])
  expect(relay.run(['start', '--maintenance', '--workers', '1']).status).toBe(0)
  expect(relay.run(['start', '--workers', '0']).status).toBe(1)
})
