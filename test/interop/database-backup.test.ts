import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import type { Queue } from '../client/queue.ts'
import { newDatabase } from '../postgres/database.ts'
import type { PostgresServer } from '../postgres/server.ts'
import { buildProgram, Installation } from './cli-process.ts'

/*
 * One relay on its way: from PostgreSQL into a backup, from there into an embedded store, into another backup, and into
 * another database. At each place a message that was there from the beginning is received.
 */

const directory = mkdtempSync(join(tmpdir(), 'smp-database-backup-'))
const identity = join(directory, 'key.txt')
const places = Array.from({ length: 3 }, () => new Installation())
const [first, second, third] = places as [Installation, Installation, Installation]
const HELD = '3 queues, 132 messages and 3 notifications'
const DATABASE = ['STORE_LOG.store_queues', 'database', 'STORE_LOG.store_messages', 'database']
const MEMORY = ['STORE_LOG.store_queues', 'memory', 'STORE_LOG.store_messages', 'memory']
let server: PostgresServer
let database: string
let recipient: string
let address: RelayAddress
let queues: readonly Queue[]

const succeed = (relay: Installation, ...args: string[]): string => {
  const { status, stdout, stderr } = relay.run(args)
  expect(status, stdout + stderr).toBe(0)
  return stdout + stderr
}
const refused = (relay: Installation, ...args: string[]): string => {
  const { status, stdout, stderr } = relay.run(args)
  expect(status, stdout + stderr).toBe(1)
  return stdout
}

const whileRunning = async (relay: Installation, act: () => Promise<void>, ...args: string[]): Promise<void> => {
  const running = relay.start(['start', ...args])
  await running.shows(/Listening on port/)
  await act()
  running.kill('SIGTERM')
  expect((await running.ended()).status).toBe(0)
}

/** The first message of a queue, which stays there. */
const firstOf = async (queue: Queue | undefined): Promise<string> => {
  if (queue === undefined) throw new Error('no queue')
  const client = await connectClient(address)
  await client.sub(queue)
  const message = await client.receive(queue)
  await client.close()
  return message.type === 'message' ? message.body.toString() : message.type
}

const unfinished = (relay: Installation): string[] =>
  readdirSync(relay.state).filter((name) => name.includes('unfinished'))

beforeAll(async () => {
  await buildProgram()
  const { stderr } = spawnSync('age-keygen', ['-o', identity], { encoding: 'utf8' })
  recipient = /age1\w+/.exec(stderr)?.[0] ?? ''
  address = await first.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
  const made = await newDatabase()
  server = made.server
  database = made.name
  succeed(first, 'config', 'set', ...DATABASE, 'STORE_LOG.db_connection', made.uri)
})
afterAll(async () => {
  await Promise.all(places.map((place) => place.remove()))
  rmSync(directory, { recursive: true })
})

it('a backup of a running relay on PostgreSQL has everything, and is restored into an embedded store', async () => {
  const file = join(directory, 'postgres.age')
  await whileRunning(
    first,
    async () => {
      const client = await connectClient(address)
      const made: Queue[] = []
      for (let count = 0; count < 3; count++) made.push(await client.createQueue({ subscribe: false }))
      queues = made
      const [full, some] = made as [Queue, Queue, Queue]
      await client.nkey(some)
      for (let number = 0; number < 130; number++) await client.send(full, `full ${number}`)
      for (let number = 0; number < 3; number++) await client.send(some, `some ${number}`, { notify: true })
      await client.close()
      // What a killed backup has left.
      mkdirSync(join(first.state, 'backup-unfinished-999999999'))
      expect(succeed(first, 'backup', file, '--recipient', recipient)).toContain('3 queues and 132 messages')
    },
    '--confirm-migrations',
    'up',
  )
  expect(unfinished(first)).toEqual([])
  expect(succeed(first, 'backup', 'verify', file, '--identity-file', identity)).toMatch(/Queues: 3\nMessages: 132\n/)

  const restored = succeed(second, 'restore', file, '--identity-file', identity)
  expect(restored).toContain('3 queues and 132 messages')
  expect(restored).toContain('smp-server database import')
  expect(refused(second, 'start')).toMatch(/store_queues is database.*with 3 queues, which would not be served/)
  succeed(second, 'config', 'set', ...MEMORY)
  await whileRunning(second, async () => {
    expect(await firstOf(queues[0])).toBe('full 0')
    expect(await firstOf(queues[1])).toBe('some 0')
  })
})

it('a backup of an embedded store is restored into PostgreSQL', async () => {
  const file = join(directory, 'embedded.age')
  succeed(second, 'backup', file, '--recipient', recipient)
  succeed(third, 'restore', file, '--identity-file', identity)
  // The database that it came from still has everything.
  expect(refused(third, 'database', 'import')).toContain('is not empty: it holds 3 queues and 132 messages')
  const { uri } = await newDatabase()
  succeed(third, 'config', 'set', 'STORE_LOG.db_connection', uri)
  expect(succeed(third, 'database', 'import')).toContain(`Imported ${HELD}`)
  succeed(third, 'config', 'set', ...DATABASE)
  await whileRunning(third, async () => {
    expect(await firstOf(queues[0])).toBe('full 0')
    expect(await firstOf(queues[1])).toBe('some 0')
  })
})

it('a database that cannot be read leaves no backup and nothing else behind', async () => {
  const file = join(directory, 'failed.age')
  await server.query(`ALTER TABLE smp_server.messages OWNER TO postgres`, database)
  expect(refused(first, 'backup', file, '--recipient', recipient)).toMatch(/may not do that.*messages/)
  await server.query(`ALTER TABLE smp_server.messages OWNER TO ${database}`, database)
  const connection = first.value('STORE_LOG', 'db_connection') ?? ''
  first.set('STORE_LOG', 'db_connection', 'postgresql://smp@127.0.0.1:1/none')
  expect(refused(first, 'backup', file, '--recipient', recipient)).toContain('127.0.0.1:1 does not answer')
  first.set('STORE_LOG', 'db_connection', connection)
  expect(existsSync(file)).toBe(false)
  expect(unfinished(first)).toEqual([])
})

it('a database export that is killed leaves nothing that is served, and is done again from the beginning', async () => {
  const holder = new Client({ host: server.directory, user: 'postgres', database })
  await holder.connect()
  await holder.query('BEGIN; LOCK smp_server.messages')
  const killed = first.start(['database', 'export'])
  await expect.poll(() => existsSync(join(first.state, 'smp-server-store.unfinished', 'data.mdb'))).toBe(true)
  killed.kill('SIGKILL')
  await killed.ended()
  await holder.end()
  expect(existsSync(join(first.state, 'smp-server-store'))).toBe(false)

  succeed(first, 'config', 'set', ...MEMORY)
  expect(refused(first, 'start')).toMatch(/no queues.*database export.*was interrupted[^]*Run it again/)
  expect(succeed(first, 'database', 'export')).toContain(`Exported ${HELD}`)
  expect(unfinished(first)).toEqual([])
  expect(refused(first, 'database', 'export')).toMatch(/There are queues in .*smp-server-store with 3 queues/)
  await whileRunning(first, async () => {
    expect(await firstOf(queues[0])).toBe('full 0')
  })
  rmSync(join(first.state, 'smp-server-store'), { recursive: true })
  writeFileSync(join(first.state, 'smp-server-store.log'), 'CREATE what upstream has left\n')
  expect(refused(first, 'database', 'export')).toMatch(/There are queues in .*smp-server-store\.log/)
})
