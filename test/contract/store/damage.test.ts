import {
  closeSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/errors/app-error.ts'
import { openLmdbStore, storedQueues } from '../../../src/store/lmdb.ts'
import type { Store } from '../../../src/store/store.ts'
import { Random } from '../../fuzz/random.ts'
import { temporaryDirectory } from './engines.ts'
import { aLink, aMessage, aNotifier, aQueue, linkId, rcvId } from './fixtures.ts'

/*
 * What happens to a store on a bad disk, or in the hands of people. A store is opened whole, or refused with a sentence:
 * never a crash (which would end this test's process), and never with fewer queues than it had.
 */

const QUEUES = 300
const PAGE = 4096
const options = { quota: 128 }
let whole: string
let directory: string
let data: string

beforeAll(async () => {
  whole = temporaryDirectory()
  const store = openLmdbStore(join(whole, 'store'), options)
  for (let n = 0; n < QUEUES; n++) {
    store.addQueue(aQueue(n, { linkId: linkId(n), notifier: aNotifier(n) }), aLink(n))
    store.writeMessage(rcvId(n), aMessage(n, { body: Buffer.alloc(16_000, n) }))
    if (n % 10 === 0) await store.flushed()
  }
  await store.close()
})
afterAll(() => rmSync(whole, { recursive: true }))

beforeEach(() => {
  directory = join(whole, 'tried')
  data = join(directory, 'data.mdb')
  rmSync(directory, { recursive: true, force: true })
  cpSync(join(whole, 'store'), directory, { recursive: true })
})

/** The number of queues that can be read with all that belongs to them, or the code of the refusal. */
async function opened(): Promise<number | string> {
  let store
  try {
    store = openLmdbStore(directory, options)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    expect(error.remedy).toMatch(/smp-server (restore|backup)/)
    return error.code
  }
  try {
    return count(store)
  } catch (error) {
    // The pages are sound, and one record is not: it is never taken for another one.
    expect(String(error)).toMatch(/record of the store|missing/)
    return 'STORE_RECORD'
  } finally {
    await store.close()
  }
}

function count(store: Store): number {
  let queues = 0
  for (const queue of store.queues()) {
    if (store.queueBySender(queue.sndId) === undefined) throw new Error('a sender is missing')
    if (store.linkData(queue.linkId ?? linkId(-1)) === undefined) throw new Error('a link is missing')
    if ([...store.messages(queue.rcvId)].length !== 1) throw new Error('a message is missing')
    queues++
  }
  return queues
}

function overwrite(page: number, bytes: Uint8Array): void {
  const file = openSync(data, 'r+')
  writeSync(file, bytes, 0, bytes.length, page * PAGE)
  closeSync(file)
}

describe('a damaged store', () => {
  it('is opened when it is not damaged', async () => {
    expect(await opened()).toBe(QUEUES)
  })

  it('is refused, or whole, at whatever length it is cut off', async () => {
    const { size } = statSync(data)
    const lengths = [
      1,
      100,
      4095,
      4096,
      8191,
      8192,
      8193,
      12_288,
      size / 2,
      (size * 3) / 4,
      size - PAGE - 1,
      size - PAGE,
      size - 1,
    ]
    for (const length of lengths) {
      copyFileSync(join(whole, 'store/data.mdb'), data)
      truncateSync(data, Math.floor(length))
      const outcome = await opened()
      // The end of the file is room for what comes.
      if (length > size - 300 * PAGE) expect([length, outcome]).toEqual([length, QUEUES])
      else expect([length, outcome]).toEqual([length, expect.stringMatching(/^STORE_(DAMAGED|COPY)$/)])
    }
  })

  it('is refused, or whole, whichever page holds zeros', async () => {
    const pages = statSync(data).size / PAGE
    let refused = 0
    const random = new Random(7)
    const tried = [0, 1, 2, 3, pages - 1, pages - 2, ...Array.from({ length: 60 }, () => random.below(pages))]
    for (const page of tried) {
      copyFileSync(join(whole, 'store/data.mdb'), data)
      overwrite(page, Buffer.alloc(PAGE))
      const outcome = await opened()
      expect([page, outcome]).toEqual([page, outcome === QUEUES ? QUEUES : 'STORE_DAMAGED'])
      if (outcome === 'STORE_DAMAGED') refused++
    }
    expect(refused).toBeGreaterThan(6)
  }, 60_000)

  it('is refused when a page of a tree stands in the place of another one', async () => {
    const bytes = readFileSync(data)
    const meta = bytes.readUInt32LE(24 + 24 + 96 + 8) > bytes.readUInt32LE(PAGE + 24 + 24 + 96 + 8) ? 0 : 1
    const root = bytes.readUInt32LE(meta * PAGE + 24 + 24 + 48 + 40)
    overwrite(root, bytes.subarray((root - 1) * PAGE, root * PAGE))
    expect(await opened()).toBe('STORE_DAMAGED')
  })

  it('is refused when the root of the main table has the kind of another page', async () => {
    for (const meta of [0, 1]) {
      const root = readFileSync(data).readUInt32LE(meta * PAGE + 24 + 24 + 48 + 40)
      const file = openSync(data, 'r+')
      writeSync(file, Buffer.from([4, 0]), 0, 2, root * PAGE + 18)
      closeSync(file)
    }
    expect(await opened()).toBe('STORE_DAMAGED')
  })

  it('is refused or whole when random bytes stand anywhere', async () => {
    const random = new Random(3)
    const { size } = statSync(data)
    for (let tries = 0; tries < 60; tries++) {
      copyFileSync(join(whole, 'store/data.mdb'), data)
      const junk = random.bytes(1 + random.below(64))
      const file = openSync(data, 'r+')
      // At the beginning of a page, where its structure is.
      writeSync(file, junk, 0, junk.length, random.below(size / PAGE) * PAGE + random.below(30))
      closeSync(file)
      const outcome = await opened()
      if (typeof outcome === 'string') expect(outcome).toMatch(/^STORE_/)
      else expect(outcome).toBe(QUEUES)
    }
  }, 60_000)

  it('says what is damaged', () => {
    truncateSync(data, 100 * PAGE)
    expect(() => openLmdbStore(directory, options)).toThrow(
      /^The message store \S+ is damaged: data\.mdb is cut off at 409600 bytes; at least \d+ are in use\.$/,
    )
  })

  it('that is a copy made while the relay wrote says so', async () => {
    // The beginning of the file as it was, and the rest as it is later.
    const before = readFileSync(data).subarray(0, 2 * PAGE)
    const store = openLmdbStore(directory, options)
    for (let n = 0; n < QUEUES; n++) {
      store.deleteQueue(rcvId(n))
      store.addQueue(aQueue(n + QUEUES, { linkId: linkId(n + QUEUES) }), aLink(n))
      if (n % 10 === 0) await store.flushed()
    }
    await store.close()
    overwrite(0, before)
    expect(() => openLmdbStore(directory, options)).toThrow(
      expect.objectContaining({
        code: 'STORE_COPY',
        remedy: expect.stringContaining('smp-server backup FILE') as string,
      }),
    )
  })

  it('is refused when it is empty or gone, and known to hold queues', () => {
    writeFileSync(data, '')
    const opening = (): unknown => openLmdbStore(directory, { ...options, mustExist: true })
    expect(opening).toThrow(expect.objectContaining({ code: 'STORE_MISSING' }))
    rmSync(data)
    expect(opening).toThrow(expect.objectContaining({ code: 'STORE_MISSING' }))
    rmSync(directory, { recursive: true })
    expect(opening).toThrow(expect.objectContaining({ code: 'STORE_MISSING' }))
    // Nothing was begun in its place.
    expect(statSync(directory, { throwIfNoEntry: false })).toBeUndefined()
  })

  it('is refused when a directory stands in the place of one of its files', () => {
    for (const name of ['data.mdb', 'lock.mdb']) {
      rmSync(join(directory, name))
      mkdirSync(join(directory, name))
      expect(() => openLmdbStore(directory, options)).toThrow(expect.objectContaining({ code: 'STORE_NOT_A_FILE' }))
      rmSync(join(directory, name), { recursive: true })
      writeFileSync(join(directory, name), '')
    }
  })

  it('is opened with any junk in lock.mdb, which is made anew', async () => {
    const lock = join(directory, 'lock.mdb')
    for (const junk of [Buffer.alloc(0), Buffer.alloc(8272, 0xff), Buffer.from('junk'), Buffer.alloc(60_000, 7)]) {
      writeFileSync(lock, junk)
      expect(await opened()).toBe(QUEUES)
    }
    truncateSync(lock, 1 << 30)
    expect(await opened()).toBe(QUEUES)
  })

  it('has its queues counted without being opened', () => {
    expect(storedQueues(directory)).toBe(QUEUES)
    expect(storedQueues(join(directory, 'none'))).toBe(0)
    truncateSync(data, 2 * PAGE)
    expect(storedQueues(directory)).toBeUndefined()
  })
})
