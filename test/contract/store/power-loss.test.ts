import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkStoreAt } from '../../../src/store/check/store-check.ts'
import { openLmdbStore } from '../../../src/store/lmdb.ts'
import { Random } from '../../fuzz/random.ts'
import { Disk, readRecording, recorder, whyNoRecorder, type Operation } from '../../soak/power/recording.ts'
import { temporaryDirectory } from './engines.ts'
import { aMessage, msgId, rcvId, sndId } from './fixtures.ts'

const TRIES = 120
const obstacle = whyNoRecorder()
const directory = temporaryDirectory()
afterAll(() => rmSync(directory, { recursive: true }))

const store = join(directory, 'recorded/store')
let operations: Operation[]
let firstPromise: number

/** What a child process (lmdb-child.ts) writes to the store. */
function recorded(command: string, output: string): Operation[] {
  const [loader, script] = ['typescript.mjs', 'lmdb-child.ts'].map((name) => new URL(name, import.meta.url))
  const log = join(directory, command)
  const args = ['--import', String(loader), fileURLToPath(String(script)), command, store]
  const env = { ...process.env, ...recorder(directory, log) }
  const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  expect([status, stdout]).toEqual([0, output])
  return readRecording(log)
}

beforeAll(() => {
  if (obstacle !== undefined) return
  operations = recorded('promise', 'open\n')
  firstPromise = operations.findIndex(({ kind }) => kind === 'P')
  expect(firstPromise).toBeGreaterThan(0)
}, 60_000)

describe.skipIf(obstacle !== undefined)(`a loss of power (${obstacle ?? 'needs a C compiler'})`, () => {
  it('leaves every effect that was promised, and none by half', async () => {
    const random = new Random(11)
    for (let tries = 0; tries < TRIES; tries++) {
      const cut = firstPromise + 1 + random.below(operations.length - firstPromise - 1)
      const disk = new Disk()
      let promised = 0
      for (const operation of operations.slice(0, cut)) {
        disk.run(operation)
        if (operation.kind === 'P') promised = Number(operation.bytes.toString().trim().split('\n').at(-1))
      }
      const path = join(directory, 'after')
      rmSync(path, { recursive: true, force: true })
      mkdirSync(path)
      writeFileSync(join(path, 'data.mdb'), disk.lose(random, operations[cut]))
      const store = openLmdbStore(path, { quota: 128 })
      const { queues } = store.counts()
      expect(queues).toBeGreaterThanOrEqual(promised)
      for (let n = 1; n <= queues; n++) {
        // A transaction may end between the two messages and the removal of the first one, as long as nothing is promised.
        const first = store.firstMessage(rcvId(n))?.id
        const isWhole =
          store.queueBySender(sndId(n))?.rcvId === rcvId(n) &&
          ((store.queueSize(rcvId(n)) === 1 && first === msgId(2 * n + 1)) ||
            (n > promised && store.queueSize(rcvId(n)) === 2 && first === msgId(2 * n)))
        expect([cut, n, isWhole]).toEqual([cut, n, true])
      }
      store.writeMessage(rcvId(1), aMessage(1_000_000))
      await store.close()
      expect((await checkStoreAt(path)).faults).toEqual([])
    }
  }, 120_000)

  it('comes after the names of a new store are on the disk', () => {
    const before = (kind: Operation['kind'], path: string, from = 0): number =>
      operations.findIndex(
        (one, at) => at >= from && at < firstPromise && one.kind === kind && String(one.bytes) === path,
      )
    const created = before('C', join(store, 'data.mdb'))
    expect(created).toBeGreaterThan(0)
    expect(before('F', store, created)).toBeGreaterThan(created)
    for (const made of [store, dirname(store)]) {
      const at = before('M', made)
      expect(at).toBeGreaterThanOrEqual(0)
      expect(before('F', dirname(made), at)).toBeGreaterThan(at)
    }
  })

  it('never finds a store that was written to marked as closed, so that the next start verifies it', async () => {
    await openLmdbStore(store, { quota: 128 }).close()
    expect(existsSync(join(store, 'closed'))).toBe(true)
    const again = recorded('write', 'open\n')
    const removed = again.findIndex(({ kind, bytes }) => kind === 'U' && String(bytes) === join(store, 'closed'))
    const synced = again.findIndex(({ kind, bytes }, at) => at > removed && kind === 'F' && String(bytes) === store)
    const written = again.findIndex(({ kind }) => kind === 'W' || kind === 'D')
    expect([removed >= 0, synced > removed, written > synced]).toEqual([true, true, true])
  })

  it('would be noticed here if a commit did not wait for the disk', () => {
    // The same record without its syncs: what was promised is lost.
    const random = new Random(5)
    let lost = 0
    for (let tries = 0; tries < 30; tries++) {
      const disk = new Disk()
      let promised = 0
      for (const operation of operations) {
        if (operation.kind !== 'S') disk.run(operation)
        if (operation.kind === 'P') promised = Number(operation.bytes.toString().trim().split('\n').at(-1))
      }
      const path = join(directory, 'unsynced')
      rmSync(path, { recursive: true, force: true })
      mkdirSync(path)
      writeFileSync(join(path, 'data.mdb'), disk.lose(random, undefined))
      try {
        const store = openLmdbStore(path, { quota: 128 })
        if (store.counts().queues < promised) lost++
        void store.close()
      } catch {
        lost++
      }
    }
    expect(lost).toBeGreaterThan(5)
  }, 60_000)
})
