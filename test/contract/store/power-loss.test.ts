import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkStoreAt } from '../../../src/store/check/store-check.ts'
import { openLmdbStore } from '../../../src/store/lmdb.ts'
import { Random } from '../../fuzz/random.ts'
import { temporaryDirectory } from './engines.ts'
import { aMessage, msgId, rcvId, sndId } from './fixtures.ts'

/*
 * A loss of power: what a relay really writes is recorded in its order (recorder.c), and cut off anywhere. Of what was
 * written and not yet synced, any part reaches the disk: whole writes, or only some of their sectors.
 */

const SECTOR = 512
const TRIES = 120
const directory = temporaryDirectory()
afterAll(() => rmSync(directory, { recursive: true }))

interface Operation {
  readonly kind: 'W' | 'D' | 'S' | 'T' | 'P'
  readonly offset: number
  readonly bytes: Buffer
}

let operations: Operation[]
let firstPromise: number

beforeAll(() => {
  const library = join(directory, 'recorder.so')
  const source = fileURLToPath(new URL('recorder.c', import.meta.url))
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl', '-lpthread'])
  const [loader, script] = ['typescript.mjs', 'lmdb-child.ts'].map((name) => new URL(name, import.meta.url))
  const log = join(directory, 'log')
  const args = ['--import', String(loader), fileURLToPath(String(script)), 'promise', join(directory, 'recorded')]
  const env = { ...process.env, LD_PRELOAD: library, RECORD_FILE: log }
  const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  expect([status, stdout]).toEqual([0, 'open\n'])
  operations = parse(readFileSync(log))
  firstPromise = operations.findIndex(({ kind }) => kind === 'P')
  expect(firstPromise).toBeGreaterThan(0)
}, 60_000)

function parse(log: Buffer): Operation[] {
  const parsed: Operation[] = []
  for (let at = 0; at < log.length;) {
    const kind = String.fromCharCode(log.readUInt8(at)) as Operation['kind']
    const offset = Number(log.readBigUInt64LE(at + 1))
    const length = Number(log.readBigUInt64LE(at + 9))
    parsed.push({ kind, offset, bytes: log.subarray(at + 17, at + 17 + length) })
    at += 17 + length
  }
  return parsed
}

/** A disk: what is on it for sure, and what may be. */
class Disk {
  #bytes = Buffer.alloc(1 << 20)
  #size = 0
  #unsynced: Operation[] = []

  run(operation: Operation): void {
    if (operation.kind === 'W' || operation.kind === 'T') this.#unsynced.push(operation)
    else if (operation.kind === 'D') this.#apply(operation, () => true)
    else if (operation.kind === 'S') {
      for (const one of this.#unsynced) this.#apply(one, () => true)
      this.#unsynced = []
    }
  }

  /** The file after the power is gone. */
  lose(random: Random, last: Operation | undefined): Buffer {
    if (last?.kind === 'D') this.#unsynced.push(last)
    // All or nothing, or here and there: each is what some disk does.
    const fate = random.below(3)
    for (const operation of this.#unsynced) {
      const isKept = fate === 0 ? false : fate === 1 ? true : random.once(2)
      if (isKept) this.#apply(operation, random.once(2) ? () => true : () => random.once(2))
    }
    return this.#bytes.subarray(0, this.#size)
  }

  #apply({ kind, offset, bytes }: Operation, isKept: (sector: number) => boolean): void {
    const end = offset + bytes.length
    if (kind === 'T') {
      this.#size = offset
      return
    }
    if (end > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], end * 2)
    this.#size = Math.max(this.#size, end)
    for (let at = offset; at < end;) {
      const next = Math.min(end, (Math.floor(at / SECTOR) + 1) * SECTOR)
      if (isKept(at)) bytes.copy(this.#bytes, at, at - offset, next - offset)
      at = next
    }
  }
}

describe('a loss of power', () => {
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
