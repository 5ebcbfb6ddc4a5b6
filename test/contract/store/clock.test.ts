import { mkdirSync, readFileSync, rmSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLogger } from '../../../src/config/log.ts'
import { resolvePaths, type Paths } from '../../../src/config/paths.ts'
import { writeLastSeen } from '../../../src/store/last-seen.ts'
import { openLmdbStore } from '../../../src/store/lmdb.ts'
import { StoreClock } from '../../../src/store/store-clock.ts'
import type { Store } from '../../../src/store/store.ts'
import { temporaryDirectory } from './engines.ts'
import { aMessage, aQueue, rcvId } from './fixtures.ts'

const DAY = 86_400
const TTL = 21 * DAY
const WRITTEN = 1_800_000_000
let directory: string
let paths: Paths
let warnings: string[]

beforeEach(() => {
  directory = temporaryDirectory()
  paths = resolvePaths({ SMP_SERVER_CFG_PATH: directory, SMP_SERVER_LOG_PATH: directory })
  warnings = []
})
afterEach(() => rmSync(directory, { recursive: true }))

/** A relay that starts when the clock shows `seconds`. */
async function starting(seconds: number, isSynchronized = false): Promise<Store> {
  mkdirSync(dirname(paths.store), { recursive: true })
  const log = { ...createLogger({ level: 'error' }), warn: (text: string) => void warnings.push(text) }
  const now = (): Date => new Date(seconds * 1000)
  const clock = new StoreClock({ paths, log, now, isSynchronized: () => Promise.resolve(isSynchronized) })
  const adjustExpiry = (before: number): number => clock.guard.adjust(before)
  return await clock.follow(openLmdbStore(paths.store, { quota: 128, adjustExpiry }))
}

async function written(): Promise<void> {
  const store = await starting(WRITTEN)
  store.addQueue(aQueue(1))
  store.writeMessage(rcvId(1), aMessage(1, { timestamp: WRITTEN }))
  await store.close()
  // What the file system says is no witness: only the time that the relay remembered.
  utimesSync(join(paths.store, 'data.mdb'), new Date(), new Date())
}

it('an undelivered message outlives starts with a clock 30 days ahead', async () => {
  await written()
  for (let starts = 0; starts < 3; starts++) {
    const ahead = WRITTEN + 30 * DAY
    const store = await starting(ahead)
    expect((await store.expireQueues(ahead - TTL)).expired).toBe(0)
    expect(store.expireMessages(rcvId(1), ahead - TTL)).toBe(0)
    await store.close()
  }
  expect(warnings).toHaveLength(3)
  expect(warnings[0]).toContain('30 days ahead')
  expect(Number(readFileSync(join(paths.store, 'time'), 'utf8'))).toBeLessThan(WRITTEN + DAY)
})

it('it expires once the operator has confirmed the time', async () => {
  await written()
  const later = WRITTEN + 30 * DAY
  await writeLastSeen(paths.store, later)
  const store = await starting(later + 60)
  expect((await store.expireQueues(later - TTL)).expired).toBe(1)
  await store.close()
  expect(warnings).toEqual([])
})

it('it expires when NTP says that the clock is right', async () => {
  await written()
  const later = WRITTEN + 30 * DAY
  const store = await starting(later, true)
  expect((await store.expireQueues(later - TTL)).expired).toBe(1)
  await store.close()
})
