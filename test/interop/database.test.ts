import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectClient } from '../client/client.ts'
import type { Queue } from '../client/queue.ts'
import { newDatabase, sharedPostgres } from '../postgres/database.ts'
import { copyOf, usePostgres } from '../postgres/relays.ts'
import { randomFrom } from '../soak/campaign.ts'
import { ClusterRun } from '../soak/cluster.ts'
import { killCampaignOn } from '../soak/kill.ts'
import { buildProgram, Installation } from './cli-process.ts'

const ROUNDS = 4

beforeAll(buildProgram)

it(`a relay on PostgreSQL that is killed in bursts of SENDs delivers what got OK, once and in order, ${ROUNDS} times`, async () => {
  const { uri } = await newDatabase()
  const campaign = killCampaignOn(async (relay) => {
    usePostgres(relay, uri)
    const created = relay.start(['start', '--confirm-migrations', 'up'])
    await created.shows(/Listening on port/)
    created.kill('SIGTERM')
    await created.ended()
  })
  const run = await campaign.prepare(7)
  try {
    let promised = 0
    for (let round = 0; round < ROUNDS; round++) promised += (await run.round(round)).promised ?? 0
    expect(promised).toBeGreaterThan(ROUNDS)
  } finally {
    await run.end(false)
  }
}, 180_000)

it('clients of three relays, one with workers, go on when a relay, a worker or the process of the workers is killed; what got OK arrives in order', async () => {
  const { uri } = await newDatabase()
  const run = await ClusterRun.prepare(randomFrom(9), uri)
  try {
    let [promised, lostConnections] = [0, 0]
    for (let round = 0; round < 3; round++) {
      const counts = await run.round(round)
      promised += counts.promised ?? 0
      lostConnections += counts.lostConnections ?? 0
    }
    expect(promised).toBeGreaterThan(900)
    expect(lostConnections).toBeGreaterThan(0)
  } finally {
    await run.end(false)
  }
}, 180_000)

it('two relays on one database: one is killed in the middle of a burst, and its clients go on at the other', async () => {
  const { uri } = await newDatabase()
  const relay = new Installation()
  const address = await relay.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
  usePostgres(relay, uri)
  const [other, otherAddress] = await copyOf(relay, address)
  try {
    const running = relay.start(['start', '--confirm-migrations', 'up'])
    await running.shows(/Listening on port/)
    const runningToo = other.start(['start'])
    await runningToo.shows(/Listening on port/)

    const recipient = await connectClient(otherAddress)
    const sender = await connectClient(address)
    const queue = await recipient.createQueue()
    const promised: string[] = []
    const burst = (async () => {
      for (let number = 0; number < 100; number++) {
        const reply = await sender.send(queue, String(number))
        if (reply.type !== 'OK') return
        promised.push(String(number))
        if (number === 30) running.kill('SIGKILL')
      }
    })().catch(() => undefined)
    const arrived: string[] = []
    let message = await recipient.receive(queue)
    await burst
    await running.ended()
    const again = await connectClient(otherAddress)
    expect(await again.send(queue, 'last')).toEqual({ type: 'OK' })
    promised.push('last')
    for (;;) {
      if (message.type === 'message') arrived.push(message.body.toString())
      if (arrived.at(-1) === 'last') break
      const reply = await recipient.ack(queue, message.id)
      message = reply.type === 'MSG' ? recipient.read(queue, reply) : await recipient.receive(queue)
    }
    expect(arrived.filter((text) => promised.includes(text))).toEqual(promised)
    expect(new Set(arrived).size).toBe(arrived.length)
    await Promise.all([recipient.close(), again.close()])
    runningToo.kill('SIGTERM')
    expect((await runningToo.ended()).status).toBe(0)
  } finally {
    await Promise.all([relay.remove(), other.remove()])
  }
}, 120_000)

it('everything moves from the state directory into PostgreSQL and back again, counted, and clients notice nothing', async () => {
  const { uri } = await newDatabase()
  const relay = new Installation()
  const address = await relay.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
  const run = async (act: () => Promise<void>): Promise<void> => {
    const running = relay.start(['start'])
    await running.shows(/Listening on port/)
    await act()
    running.kill('SIGTERM')
    expect((await running.ended()).status).toBe(0)
  }
  const useMemory = (): void => {
    relay.set('STORE_LOG', 'store_queues', 'memory')
    relay.set('STORE_LOG', 'store_messages', 'memory')
  }
  try {
    const queues: Queue[] = []
    await run(async () => {
      const client = await connectClient(address)
      for (let count = 0; count < 3; count++) queues.push(await client.createQueue({ subscribe: false }))
      const [full, some] = queues as [Queue, Queue, Queue]
      await client.nkey(some)
      for (let number = 0; number < 130; number++) await client.send(full, `full ${number}`)
      for (let number = 0; number < 3; number++) await client.send(some, `some ${number}`, { notify: true })
      await client.close()
    })
    const [full, some] = queues as [Queue, Queue, Queue]
    const moved = '3 queues, 132 messages and 3 notifications'
    const imported = relay.run(['database', 'import', '--database', uri])
    expect([imported.status, imported.stdout]).toEqual([0, expect.stringContaining(`Imported ${moved}`)])
    const again = relay.run(['database', 'import', '--database', uri])
    expect([again.status, again.stdout]).toEqual([1, expect.stringContaining('Error: ')])

    usePostgres(relay, uri)
    await run(async () => {
      const client = await connectClient(address)
      await client.sub(full)
      const first = await client.receive(full)
      expect(first.type === 'message' && first.body.toString()).toBe('full 0')
      expect(await client.send(full, 'no room')).toEqual({ type: 'ERR', error: 'QUOTA' })
      await client.close()
    })
    const exported = relay.run(['database', 'export'])
    expect([exported.status, exported.stdout]).toEqual([0, expect.stringContaining(`Exported ${moved}`)])

    useMemory()
    await run(async () => {
      const client = await connectClient(address)
      await client.sub(some)
      const first = await client.receive(some)
      expect(first.type === 'message' && first.body.toString()).toBe('some 0')
      expect(await client.send(full, 'no room')).toEqual({ type: 'ERR', error: 'QUOTA' })
      await client.close()
    })
  } finally {
    await relay.remove()
  }
}, 120_000)

it('init --database creates the tables, or says what to run', async () => {
  const { uri } = await newDatabase()
  const [ready, missing] = [new Installation(), new Installation()]
  try {
    const { status, stdout } = ready.run(['init', '-y', '--no-password', '--disable-web', '--database', uri])
    expect([status, stdout]).toEqual([0, expect.stringContaining('the schema smp_server is ready')])
    expect(ready.run(['start', '--maintenance']).status).toBe(0)
    const nowhere = 'postgresql://somebody@127.0.0.1:1/somewhere'
    const told = missing.run(['init', '-y', '--no-password', '--disable-web', '--database', nowhere])
    expect([told.status, told.stdout]).toEqual([
      0,
      expect.stringMatching(
        /does not answer[^]*createuser somebody\n.*createdb --owner somebody --encoding UTF8 somewhere\n/,
      ),
    ])
  } finally {
    await Promise.all([ready.remove(), missing.remove()])
  }
})

describe('start with PostgreSQL', () => {
  const relay = new Installation()
  let uri = ''
  let name = ''
  beforeAll(async () => {
    await relay.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
    const database = await newDatabase()
    uri = database.uri
    name = database.name
    usePostgres(relay, uri)
  })
  afterAll(() => relay.remove())

  /** What start says with a value in [STORE_LOG]; it has to end by itself, with exit code 1. */
  const refusal = (value: Readonly<Record<string, string>>, ...args: string[]): string => {
    for (const [key, text] of Object.entries(value)) relay.set('STORE_LOG', key, text)
    const { status, stdout, stderr } = relay.run(['start', '--maintenance', ...args])
    relay.set('STORE_LOG', 'db_connection', uri)
    relay.set('STORE_LOG', 'db_schema', 'smp_server')
    relay.set('STORE_LOG', 'store_messages', 'database')
    expect(status, stdout + stderr).toBe(1)
    return stdout
  }
  const accept = (...args: string[]): void => {
    const { status, stdout, stderr } = relay.run(['start', '--maintenance', ...args])
    expect(status, stdout + stderr).toBe(0)
  }

  it('creates nothing that it was not told to create, and says how to', () => {
    expect(refusal({})).toMatch(/no schema "smp_server" in the database\.\n.*--confirm-migrations up/)
    accept('--confirm-migrations', 'up')
    accept()
  })

  it('says what is wrong with the connection', () => {
    expect(refusal({ db_connection: 'postgresql://smp@127.0.0.1:1/none' })).toContain('127.0.0.1:1 does not answer')
    expect(refusal({ db_connection: 'host=' })).toMatch(/DATABASE_/)
    expect(refusal({ db_connection: uri.replaceAll(name, 'nobody_knows') })).toContain('role "nobody_knows"')
    expect(refusal({ db_connection: uri.replace(`/${name}`, '/nowhere_at_all') })).toContain('nowhere_at_all')
    expect(refusal({ db_schema: 'Not-A-Name' })).toContain('lowercase letters')
    expect(refusal({ store_messages: 'journal' })).toContain('store_messages = database')
  })

  it('refuses what it may not do in the database, and leaves it as it is', async () => {
    const server = await sharedPostgres()
    await server.query(`CREATE ROLE stranger_${name} LOGIN`)
    const stranger = uri.replace(`//${name}@`, `//stranger_${name}@`)
    expect(refusal({ db_connection: stranger }, '--confirm-migrations', 'up')).toContain('may not do that')
    expect(refusal({ db_connection: stranger, db_schema: 'another' }, '--confirm-migrations', 'up')).toContain(
      'may not do that',
    )
    await server.query(`ALTER ROLE ${name} SET default_transaction_read_only = on`)
    expect(refusal({})).toContain('can only be read')
    await server.query(`ALTER ROLE ${name} RESET default_transaction_read_only`)
    accept()
  })

  it('refuses the database of another relay, and one that a newer program has changed', async () => {
    const other = new Installation()
    try {
      await other.initialize('--no-password', '--disable-web', '--ip', '127.0.0.1')
      usePostgres(other, uri)
      const { status, stdout } = other.run(['start', '--maintenance'])
      expect([status, stdout]).toEqual([1, expect.stringContaining('belongs to the relay with fingerprint')])
    } finally {
      await other.remove()
    }
    const server = await sharedPostgres()
    await server.query("INSERT INTO smp_server.migrations (name, ts) VALUES ('29990101_unknown', now())", name)
    expect(refusal({})).toContain('29990101_unknown')
    await server.query("DELETE FROM smp_server.migrations WHERE name = '29990101_unknown'", name)
    await server.query('UPDATE smp_server_relays.about SET version = version + 1', name)
    expect(refusal({})).toContain('A newer version of smp-server has changed the schema "smp_server_relays"')
    await server.query('UPDATE smp_server_relays.about SET version = version - 1', name)
    await server.query('ALTER TABLE smp_server.messages RENAME TO gone', name)
    expect(refusal({})).toContain('messages.message_id')
    await server.query('ALTER TABLE smp_server.gone RENAME TO messages', name)
    accept()
  })

  it('serves nothing from PostgreSQL while there are queues in the state directory', () => {
    relay.set('STORE_LOG', 'store_queues', 'memory')
    relay.set('STORE_LOG', 'store_messages', 'memory')
    accept()
    usePostgres(relay, uri)
    accept()
    rmSync(relay.state, { recursive: true, force: true })
  })
})
