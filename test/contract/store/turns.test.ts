import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { databaseAddress } from '../../../src/store/postgres.ts'
import { connect, type Connection } from '../../../src/store/postgres/connection.ts'
import { prepareSchema } from '../../../src/store/postgres/schema/prepare.ts'
import { Turn } from '../../../src/store/postgres/turn.ts'
import { newDatabase } from '../../postgres/database.ts'

/*
 * One relay at a time does what has to be done once for all of them: has the onion service, say.
 */

const TIMES = { lastsMs: 1500, trustedMs: 900, renewMs: 150 }

/** Who has the turn, and since when, in the order in which it changed. */
interface Change {
  readonly relay: string
  readonly isMine: boolean
  readonly atMs: number
}

const turns: Turn[] = []
const connections: Connection[] = []
afterEach(async () => {
  await Promise.all(turns.splice(0).map((turn) => turn.end()))
  await Promise.all(connections.splice(0).map((connection) => connection.close()))
})

/** Relays on one new database that wait for their turn; `cut` takes the connection from one of them. */
const waiting = async (
  ...names: string[]
): Promise<{ changes: Change[]; cut: (name: string) => void; of: Map<string, Turn> }> => {
  const address = databaseAddress((await newDatabase()).uri)
  const changes: Change[] = []
  const cutOff = new Set<string>()
  const of = new Map<string, Turn>()
  for (const [index, name] of names.entries()) {
    const connection = await connect({ address })
    connections.push(connection)
    const prepared = await prepareSchema(connection, { schema: 'smp_server', migrate: 'up', fingerprint: 'own' })
    const relayId = index + 1
    await connection.run(`INSERT INTO ${prepared.names.relays}.relays (relay_id) VALUES ($1)`, [relayId])
    const turn = new Turn({
      relayId,
      names: prepared.names,
      oid: prepared.oid,
      connection: () => (cutOff.has(name) ? undefined : connection),
      onTurn: (isMine) => changes.push({ relay: name, isMine, atMs: performance.now() }),
      times: TIMES,
    })
    turns.push(turn)
    of.set(name, turn)
    await expect.poll(() => changes.some(({ relay }) => relay === name)).toBe(true)
  }
  return { changes, of, cut: (name) => cutOff.add(name) }
}

const order = (changes: readonly Change[]): string[] =>
  changes.map(({ relay, isMine }) => `${relay} ${isMine ? 'has it' : 'has it not'}`)

it('one relay has the turn as long as it lives, and when it ends in order the next one has it at once', async () => {
  const { changes, of } = await waiting('first', 'second')
  await sleep(2 * TIMES.lastsMs)
  expect(order(changes)).toEqual(['first has it', 'second has it not'])
  const endedAt = performance.now()
  await of.get('first')?.end()
  await expect.poll(() => order(changes)).toContain('second has it')
  expect((changes.at(-1)?.atMs ?? Infinity) - endedAt).toBeLessThan(TIMES.lastsMs)
})

it('a relay that cannot renew its turn leaves it before another one gets it', async () => {
  const { changes, cut } = await waiting('first', 'second', 'third')
  cut('first')
  await expect.poll(() => changes.length, { timeout: 5000 }).toBe(5)
  const [lost, gained] = changes.slice(-2)
  expect(lost).toMatchObject({ relay: 'first', isMine: false })
  expect(gained).toMatchObject({ isMine: true })
  // In between, what was done with it comes to its end.
  expect((gained?.atMs ?? 0) - (lost?.atMs ?? 0)).toBeGreaterThan((TIMES.lastsMs - TIMES.trustedMs) / 2)
  // All that are left agree on who has it.
  await sleep(TIMES.lastsMs)
  expect(changes.length).toBe(5)
})
