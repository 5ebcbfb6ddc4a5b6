import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { textCodec } from '../../../../src/store/tables/codecs.ts'
import { GroupCommit, type Space, type Transactions } from '../../../../src/store/lmdb/group-commit.ts'
import { LmdbTable } from '../../../../src/store/lmdb/lmdb-table.ts'
import { StoreError } from '../../../../src/store/store.ts'

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

let directory: string
let root: RootDatabase<Buffer, string>
let table: LmdbTable<string>
let commit: GroupCommit
let batches: number
let errors: StoreError[]
let failures: StoreError[]
/** What happens to the next transactions: 'hold' waits for `release`, 'fail' keeps nothing. */
let fate: 'commit' | 'fail' | 'hold'
let release: () => void
const plenty: Space = { fits: () => true, look: () => Promise.resolve() }

const transactions: Transactions = {
  async batch(write) {
    batches++
    if (fate === 'fail')
      throw Object.assign(new Error('Commit failed'), { commitError: Promise.reject(new Error('EIO')) })
    if (fate === 'hold') await new Promise<void>((resolve) => (release = resolve))
    return root.batch(write)
  },
}

function start(space: Space): void {
  const tables: LmdbTable<string>[] = []
  commit = new GroupCommit(transactions, space, tables, {
    onRollback: (error) => errors.push(error),
    onFailure: (error) => failures.push(error),
  })
  const db = root.openDB<Buffer, string>('table', { encoding: 'binary' })
  table = new LmdbTable(db, textCodec(), commit.changed, 4)
  tables.push(table)
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'smp-commit-'))
  root = open<Buffer, string>({ path: directory, noSubdir: false, overlappingSync: false, encoding: 'binary' })
  batches = 0
  errors = []
  failures = []
  fate = 'commit'
  start(plenty)
})

afterEach(async () => {
  await commit.flushed()
  await root.close()
  rmSync(directory, { recursive: true })
})

const onDisk = (key: string): string | undefined =>
  root.openDB<Buffer, string>('table', { encoding: 'binary' }).get(key)?.toString('latin1')

describe('group commit', () => {
  it('keeps the effects of one turn in one transaction, and its waiters share one promise', async () => {
    table.insert('a', '1')
    const first = commit.flushed()
    table.insert('b', '2')
    expect(commit.flushed()).toBe(first)
    expect(onDisk('a')).toBeUndefined()
    await first
    expect(batches).toBe(1)
    expect([onDisk('a'), onDisk('b')]).toEqual(['1', '2'])
  })

  it('gathers the next batch while one is being written, and shows both to readers', async () => {
    fate = 'hold'
    table.insert('a', '1')
    const first = commit.flushed()
    await nextTurn()
    expect(batches).toBe(1)
    table.insert('b', '2')
    table.put('a', '3')
    expect([table.get('a'), table.get('b')]).toEqual(['3', '2'])
    const second = commit.flushed()
    expect(second).not.toBe(first)
    fate = 'commit'
    release()
    await first
    await second
    expect(batches).toBe(2)
    expect([onDisk('a'), onDisk('b')]).toEqual(['3', '2'])
  })

  it('writes nothing of what came and went within one batch', async () => {
    table.insert('a', '1')
    table.remove('a')
    await commit.flushed()
    expect(batches).toBe(0)
    expect(table.get('a')).toBeUndefined()
  })

  it('removes what was removed and put again and removed again', async () => {
    table.insert('a', '1')
    await commit.flushed()
    table.remove('a')
    table.insert('a', '2')
    table.remove('a')
    expect(table.get('a')).toBeUndefined()
    await commit.flushed()
    expect(onDisk('a')).toBeUndefined()
  })

  it('is done at once when there is nothing to keep', async () => {
    await commit.flushed()
    expect(batches).toBe(0)
  })

  it('commits without anybody waiting', async () => {
    table.insert('a', '1')
    await nextTurn()
    await commit.flushed()
    expect(onDisk('a')).toBe('1')
  })

  it('goes back to the last durable state when a batch finds no room, tells every waiter, and serves on', async () => {
    let isFull = false
    const look = (): Promise<void> => (isFull ? Promise.reject(new Error('ENOSPC')) : Promise.resolve())
    start({ fits: () => false, look })
    table.insert('a', '1')
    await commit.flushed()
    isFull = true
    table.put('a', '2')
    table.insert('b', '2')
    const failing = commit.flushed()
    await expect(failing).rejects.toMatchObject({ message: 'not stored, try again later', reason: 'ENOSPC' })
    expect([table.get('a'), table.get('b')]).toEqual(['1', undefined])
    expect([errors.length, failures.length]).toEqual([1, 0])
    isFull = false
    table.insert('b', '3')
    await commit.flushed()
    expect([onDisk('a'), onDisk('b')]).toEqual(['1', '3'])
  })

  it('writes nothing more after the engine failed, and says so once', async () => {
    table.insert('a', '1')
    await commit.flushed()
    fate = 'fail'
    table.put('a', '2')
    await expect(commit.flushed()).rejects.toMatchObject({ reason: 'EIO' })
    expect([errors.length, failures.length]).toEqual([1, 1])
    fate = 'commit'
    table.put('a', '3')
    await expect(commit.flushed()).rejects.toBeInstanceOf(StoreError)
    await nextTurn()
    expect([table.get('a'), onDisk('a'), batches]).toEqual(['1', '1', 2])
    expect(failures).toHaveLength(1)
    start(plenty)
  })

  it('undoes with a failed batch what was built on it meanwhile', async () => {
    let refuse: (error: Error) => void = () => undefined
    start({ fits: () => false, look: () => new Promise((_resolve, reject) => (refuse = reject)) })
    table.insert('a', '1')
    const failing = commit.flushed()
    await nextTurn()
    table.insert('b', '2')
    const gathered = commit.flushed()
    refuse(new Error('no room'))
    await expect(failing).rejects.toBeInstanceOf(StoreError)
    await expect(gathered).rejects.toBeInstanceOf(StoreError)
    expect([table.get('a'), table.get('b')]).toEqual([undefined, undefined])
    expect(batches).toBe(0)
    expect(errors).toHaveLength(1)
    await nextTurn()
    await commit.flushed()
    expect(batches).toBe(0)
  })
})

describe('a table', () => {
  it('gives its keys in byte order, those on disk and those that are not there yet', async () => {
    for (let n = 0; n < 600; n++) table.insert(String.fromCharCode(n % 256) + String(n), 'x')
    await commit.flushed()
    table.insert('\xffzz', 'x')
    table.insert('\0', 'x')
    table.remove(`${String.fromCharCode(7)}7`)
    const keys = [...table.keys()]
    expect(keys).toHaveLength(601)
    expect(keys).toEqual([...keys].sort((a, b) => (a < b ? -1 : 1)))
    expect([keys[0], keys.at(-1)]).toEqual(['\0', '\xffzz'])
  })

  it('gives the keys with a prefix, and no others', async () => {
    for (const key of ['a', 'ab', 'ab\xff', 'ab\xff\xff', 'ac', 'b', '\xff', '\xff\xff', '\xff\xff1']) {
      table.insert(key, 'x')
      if (key === 'ac') await commit.flushed()
    }
    expect([...table.keys('ab')]).toEqual(['ab', 'ab\xff', 'ab\xff\xff'])
    expect([...table.keys('\xff\xff')]).toEqual(['\xff\xff', '\xff\xff1'])
  })

  it('answers from its cache what it read before, and never what changed since', async () => {
    expect(table.get('a')).toBeUndefined()
    table.insert('a', '1')
    await commit.flushed()
    for (let n = 0; n < 20; n++) table.get(`other${n}`)
    expect(table.get('a')).toBe('1')
    table.remove('a')
    await commit.flushed()
    expect(table.get('a')).toBeUndefined()
  })
})
