import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDatabaseSnapshot } from '../../../src/store/postgres.ts'
import type { PostgresStore } from '../../../src/store/postgres/postgres-store.ts'
import { openTestDatabase, TEST_FINGERPRINT, TEST_SCHEMA } from '../../postgres/store.ts'
import { aMessage, aQueue, rcvId } from './fixtures.ts'

let store: PostgresStore
let connection: string

beforeAll(async () => {
  const opened = await openTestDatabase()
  store = opened.store
  connection = opened.options.connection
})
afterAll(() => store.close())

const add = async (number: number): Promise<void> => {
  const id = rcvId(number)
  await store.run(
    () => ({ newIds: [id] }),
    (work) => {
      work.addQueue(aQueue(number))
      work.writeMessage(id, aMessage(number))
    },
  )
}

const open = (fingerprint = TEST_FINGERPRINT): ReturnType<typeof openDatabaseSnapshot> =>
  openDatabaseSnapshot({ connection, schema: TEST_SCHEMA, fingerprint, onWarning: () => undefined })

it('a snapshot of the database has the queues and messages of one moment, whatever is written meanwhile', async () => {
  await add(1)
  const snapshot = await open()
  const found: unknown[] = []
  for await (const queues of snapshot.source.queues()) found.push(...queues.map(({ queue }) => queue.rcvId))
  await add(2)
  for await (const messages of snapshot.source.messages()) found.push(...messages.map((message) => message.rcvId))
  expect(found).toEqual([rcvId(1), rcvId(1)])
  expect(snapshot.relays).toBe(1)
  await snapshot.close()
  expect(await store.walks().counts()).toMatchObject({ queues: 2, messages: 2 })
})

it('no snapshot is taken of the database of another relay', async () => {
  await expect(open('another-fingerprint')).rejects.toThrow(/belongs to the relay with fingerprint/)
})
