import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copyLmdbStore, openLmdbStore } from '../../../src/store/lmdb.ts'
import { aMessage, aQueue, rcvId } from './fixtures.ts'

/*
 * A copy of the LMDB store while another process has it open, and a server that starts while a copy is made.
 */

const options = { quota: 128 }
let directory: string
const children: ChildProcess[] = []
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'smp-copy-')), 'store')
})
afterEach(async () => {
  for (const child of children.splice(0)) await end(child)
  rmSync(join(directory, '..'), { recursive: true })
})

function child(...args: string[]): ChildProcess {
  const [loader, script] = ['typescript.mjs', 'lmdb-child.ts'].map((name) => new URL(name, import.meta.url))
  const started = spawn(process.execPath, ['--import', String(loader), fileURLToPath(String(script)), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(started)
  return started
}

async function end(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return
  const closed = new Promise((done) => process.once('close', done))
  process.kill('SIGKILL')
  await closed
}

/** What it prints up to the first line that fits. */
async function printed(process: ChildProcess, pattern: RegExp): Promise<string> {
  let text = ''
  for await (const data of process.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    text += String(data)
    if (pattern.test(text)) return text
  }
  throw new Error(`not printed: ${String(pattern)}, but ${text}`)
}

async function fill(queues: number): Promise<void> {
  const store = openLmdbStore(directory, options)
  for (let n = 1; n <= queues; n++) {
    store.addQueue(aQueue(n))
    store.writeMessage(rcvId(n), aMessage(n))
  }
  await store.close()
}

describe('a copy of the store', () => {
  it('is whole while a server goes on writing, with everything that was promised before', async () => {
    const server = child('burst', directory, '1')
    const before = Math.max(...(await printed(server, /\n200\n/)).split('\n').slice(1).map(Number))
    const copy = await copyLmdbStore(directory)
    const copied = openLmdbStore(copy.path, options)
    const { queues, messages } = copied.counts()
    expect(queues).toBeGreaterThanOrEqual(before)
    expect(messages).toBe(queues)
    const numbers = [...copied.queues()].map(({ rcvId: id }) => copied.queueSize(id))
    expect(numbers).toEqual(numbers.map(() => 1))
    expect(numbers).toHaveLength(queues)
    await copied.close()
    await copy.remove()
    expect(readdirSync(directory).toSorted()).toEqual(['data.mdb', 'lock.mdb'])
    await printed(server, /\n\d+\n/)
  })

  it('has nothing that was deleted', async () => {
    await fill(300)
    const store = openLmdbStore(directory, options)
    for (let n = 1; n <= 299; n++) store.deleteQueue(rcvId(n))
    await store.close()
    const copy = await copyLmdbStore(directory)
    expect(statSync(copy.file).size).toBeLessThan(statSync(join(directory, 'data.mdb')).size / 2)
    expect(statSync(copy.path).mode & 0o777).toBe(0o700)
    await copy.remove()
  })

  it('keeps no server from starting, and stays as long as it is wanted', async () => {
    await fill(1)
    const copy = await copyLmdbStore(directory)
    const server = child('open', directory)
    expect(await printed(server, /\n/)).toBe('open\n')
    expect(existsSync(copy.file)).toBe(true)
    // A second server is kept out by the first one all the same.
    expect(await printed(child('open', directory), /\n/)).toContain('is in use by another running server')
    await copy.remove()
  })

  it('is made by one at a time', async () => {
    await fill(1)
    const copier = child('copy', directory)
    await printed(copier, /copy\n/)
    await expect(copyLmdbStore(directory)).rejects.toMatchObject({
      code: 'STORE_COPYING',
      message: `Process ${copier.pid} is making a copy of the message store ${directory} at the moment.`,
    })
  })

  it('that was cut off is removed by the next copy, and by the next server', async () => {
    await fill(1)
    for (const next of ['copy', 'server']) {
      const copier = child('copy', directory)
      await printed(copier, /copy\n/)
      await end(copier)
      expect(existsSync(join(directory, 'copy/data.mdb'))).toBe(true)
      if (next === 'copy') await (await copyLmdbStore(directory)).remove()
      else await openLmdbStore(directory, options).close()
      expect(readdirSync(directory).toSorted()).toEqual(['data.mdb', 'lock.mdb'])
    }
  })

  it('of something else is refused with a sentence', async () => {
    await fill(1)
    writeFileSync(join(directory, 'data.mdb'), Buffer.alloc(20_000, 1))
    await expect(copyLmdbStore(directory)).rejects.toMatchObject({ code: 'STORE_UNREADABLE' })
    expect(readdirSync(directory).toSorted()).toEqual(['data.mdb', 'lock.mdb'])
  })
})
