import { closeSync, cpSync, openSync, readFileSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { open as openEnvironment } from 'lmdb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { checkStoreAt, repairStoreAt } from '../../../src/store/check/store-check.ts'
import { openLmdbStore } from '../../../src/store/lmdb.ts'
import { Random } from '../../fuzz/random.ts'
import { temporaryDirectory } from './engines.ts'
import {
  aLink,
  aMessage,
  aNotification,
  aNotifier,
  aQueue,
  aService,
  linkId,
  msgId,
  notifierId,
  rcvId,
  serviceId,
  sndId,
} from './fixtures.ts'

const QUEUES = 400
const PAGE = 4096
const NOW = new Date('2026-01-02T03:04:05Z')
let whole: string
let directory: string
let data: string

beforeAll(async () => {
  whole = temporaryDirectory()
  const store = openLmdbStore(join(whole, 'store'), { quota: 128 })
  store.addService(aService(1))
  for (let n = 0; n < QUEUES; n++) {
    const notifier = aNotifier(n, { serviceId: serviceId(1) })
    store.addQueue(aQueue(n, { linkId: linkId(n), notifier, rcvServiceId: serviceId(1) }), aLink(n))
    for (let i = 0; i < 3; i++) store.writeMessage(rcvId(n), aMessage(3 * n + i, { body: Buffer.alloc(2500, n) }))
    store.addNotification(notifierId(n), aNotification(n))
    if (n % 10 === 0) await store.flushed()
  }
  // Pages of deleted queues are free, and hold what must not come back.
  for (let n = 0; n < QUEUES; n += 4) store.deleteQueue(rcvId(n))
  store.deleteFirstMessage(rcvId(1), msgId(3))
  await store.close()
})
afterAll(() => rmSync(whole, { recursive: true }))

beforeEach(() => {
  directory = join(whole, 'tried')
  data = join(directory, 'data.mdb')
  for (const name of [directory, `${directory}.damaged.${NOW.toISOString()}`])
    rmSync(name, { recursive: true, force: true })
  cpSync(join(whole, 'store'), directory, { recursive: true })
})

const left = { queues: 300, messages: 899, notifications: 300 }

function overwrite(page: number, bytes: Uint8Array): void {
  const file = openSync(data, 'r+')
  writeSync(file, bytes, 0, bytes.length, page * PAGE)
  closeSync(file)
}

/** The kind of each page: 1 branch, 2 leaf, 4 overflow. */
function pagesOf(kind: number): number[] {
  const bytes = readFileSync(data)
  return [...Array(statSync(data).size / PAGE).keys()].filter(
    (page) => page > 1 && bytes.readUInt32LE(page * PAGE) === page && bytes[page * PAGE + 18] === kind,
  )
}

describe('store check', () => {
  it('finds nothing wrong with a sound store, and counts what it holds', async () => {
    expect(await checkStoreAt(directory)).toMatchObject({ faults: [], counts: left })
  })

  it('checks a store that is in use, as it is at this moment', async () => {
    const store = openLmdbStore(directory, { quota: 128 })
    store.addQueue(aQueue(1000))
    await store.flushed()
    expect(await checkStoreAt(directory)).toMatchObject({ faults: [], counts: { ...left, queues: 301 } })
    await store.close()
  })

  it('finds every page in use that holds zeros', async () => {
    const random = new Random(5)
    let found = 0
    for (let tries = 0; tries < 40; tries++) {
      cpSync(join(whole, 'store/data.mdb'), data)
      const page = 2 + random.below(statSync(data).size / PAGE - 2)
      overwrite(page, Buffer.alloc(PAGE))
      const { faults } = await checkStoreAt(directory)
      if (faults.some((fault) => fault === `page ${page} of data.mdb holds zeros only`)) found++
      else expect(faults).toEqual([])
    }
    expect(found).toBeGreaterThan(5)
  })

  it('finds records that lead nowhere, records that cannot be read, and wrong counts', async () => {
    const root = openEnvironment<Buffer, string>({
      path: directory,
      noSubdir: false,
      overlappingSync: false,
      encoding: 'binary',
    })
    const table = (name: string) => root.openDB<Buffer, Buffer>(name, { encoding: 'binary', keyEncoding: 'binary' })
    const key = (text: string): Buffer => Buffer.from(text, 'latin1')
    await table('senders').remove(key(sndId(1)))
    await table('senders').put(key(sndId(9999)), key(rcvId(9999)))
    await table('queues').put(key(rcvId(2)), Buffer.from('nonsense'))
    await table('linkData').remove(key(linkId(3)))
    await table('meta').put(key('counts'), Buffer.alloc(48))
    await root.close()
    const { faults } = await checkStoreAt(directory)
    expect(faults).toEqual(
      expect.arrayContaining([
        '1 records of the table queues that cannot be read',
        '2 sender ids that lead to no queue',
        '1 queues that their sender ids do not lead to',
        '1 links without their data',
        "1 wrong number in the store's own counts: queues",
      ]),
    )
    expect(faults.join()).toContain('lists of messages that belong to nothing')
  })
})

describe('store check --repair', () => {
  const repair = async (): Promise<Record<string, number>> => {
    const { saved, damaged } = await repairStoreAt(directory, NOW)
    expect(statSync(damaged).isDirectory()).toBe(true)
    expect((await checkStoreAt(directory)).faults).toEqual([])
    return { ...saved }
  }

  it('saves everything of a store whose tables all can be read', async () => {
    expect(await repair()).toMatchObject(left)
    const store = openLmdbStore(directory, { quota: 128 })
    const before = openLmdbStore(join(whole, 'store'), { quota: 128 })
    expect([...store.queues()]).toEqual([...before.queues()])
    for (const { rcvId: id } of before.queues()) expect([...store.messages(id)]).toEqual([...before.messages(id)])
    expect(store.linkData(linkId(1))).toEqual(aLink(1))
    expect(store.serviceSubscriptions(serviceId(1), 'N')).toEqual(before.serviceSubscriptions(serviceId(1), 'N'))
    await store.close()
    await before.close()
  })

  it('loses no more than what stood on the damaged page, whichever it is', async () => {
    const tried = [...pagesOf(1), ...pagesOf(2).filter((_, index) => index % 40 === 0), ...pagesOf(4).slice(0, 5)]
    for (const page of tried) {
      cpSync(join(whole, 'store'), directory, { recursive: true, force: true })
      overwrite(page, Buffer.alloc(PAGE))
      const { queues = 0, messages = 0 } = await repair()
      rmSync(directory, { recursive: true })
      rmSync(`${directory}.damaged.${NOW.toISOString()}`, { recursive: true })
      expect(queues).toBeGreaterThan(left.queues - 25)
      expect(messages).toBeGreaterThan(left.messages - 90)
    }
  }, 120_000)

  it('saves what is left of a file that is cut off', async () => {
    truncateSync(data, Math.floor(statSync(data).size / 2))
    const { queues = 0 } = await repair()
    // Some that were deleted may be among them, where what says so is lost.
    expect(queues).toBeGreaterThan(100)
  })

  it('goes back to the transaction before when one of the first two pages is lost, and the check says so', async () => {
    for (const page of [0, 1]) {
      cpSync(join(whole, 'store'), directory, { recursive: true, force: true })
      overwrite(page, Buffer.alloc(PAGE))
      expect((await checkStoreAt(directory)).faults).toContain(
        `page ${page} of data.mdb, one of two that lead to all others, cannot be read`,
      )
      expect((await repair()).queues).toBeGreaterThanOrEqual(left.queues - 10)
      rmSync(`${directory}.damaged.${NOW.toISOString()}`, { recursive: true })
    }
  })

  it('is refused while a relay runs', async () => {
    const store = openLmdbStore(directory, { quota: 128 })
    await expect(repairStoreAt(directory, NOW)).rejects.toMatchObject({ code: 'STORE_IN_USE' })
    await store.close()
  })

  it('is refused where there is no store', async () => {
    rmSync(data)
    await expect(repairStoreAt(directory, NOW)).rejects.toMatchObject({ code: 'STORE_MISSING' })
  })
})
