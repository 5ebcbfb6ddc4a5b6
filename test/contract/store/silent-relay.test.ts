import { afterEach, expect, it } from 'vitest'
import { databaseAddress } from '../../../src/store/postgres.ts'
import { connect, type Connection } from '../../../src/store/postgres/connection.ts'
import { Relays } from '../../../src/store/postgres/relays.ts'
import { prepareSchema } from '../../../src/store/postgres/schema/prepare.ts'
import { newDatabase } from '../../postgres/database.ts'

const connections: Connection[] = []
let relays: Relays | undefined
afterEach(async () => {
  await relays?.close()
  await Promise.all(connections.splice(0).map((connection) => connection.close()))
})

it('what a relay has committed and not told when it was killed is looked for, once, when it has been silent for a while', async () => {
  const address = databaseAddress((await newDatabase()).uri)
  const connection = await connect({ address })
  connections.push(connection)
  const prepared = await prepareSchema(connection, { schema: 'smp_server', migrate: 'up', fingerprint: 'own' })
  const { relays: schema } = prepared.names
  relays = await Relays.join(connection, {
    prepared,
    connect: (onLost) => connect({ address, onLost }),
    facts: {},
    onWarning: (sentence) => expect.unreachable(sentence),
    heartbeatMs: 100,
  })
  let looks = 0
  relays.listen({ undone: () => undefined, woken: () => undefined, missed: () => looks++ })
  const seen = async (relayId: number, ago: string): Promise<void> => {
    await connection.run(
      `INSERT INTO ${schema}.relays (relay_id, seen_at) VALUES ($1, now() - $2::interval)
        ON CONFLICT (relay_id) DO UPDATE SET seen_at = EXCLUDED.seen_at`,
      [relayId, ago],
    )
  }
  const beats = async (): Promise<void> => await new Promise((resolve) => setTimeout(resolve, 350))

  await seen(1001, '1 second')
  await beats()
  expect(looks).toBe(0)
  await seen(1001, '30 seconds')
  await expect.poll(() => looks, { timeout: 10_000 }).toBe(1)
  await beats()
  expect(looks).toBe(1)
  // It was only cut off, and is then really killed; another one ends in order, and leaves no row.
  await seen(1001, '1 second')
  await seen(1002, '1 second')
  await beats()
  await connection.run(`DELETE FROM ${schema}.relays WHERE relay_id = 1002`)
  await seen(1001, '30 seconds')
  await expect.poll(() => looks, { timeout: 10_000 }).toBe(2)
})
