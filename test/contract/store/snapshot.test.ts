import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLmdbStore, Snapshot } from '../../../src/store/lmdb.ts'
import type { Store } from '../../../src/store/store.ts'
import {
  aLink,
  aMessage,
  aNotification,
  aNotifier,
  aQueue,
  aService,
  linkId,
  notifierId,
  rcvId,
  serviceId,
} from './fixtures.ts'

/*
 * A snapshot of the LMDB store while another process has it open, and a relay that starts while one is read.
 */

const options = { quota: 128 }
let directory: string
const children: ChildProcess[] = []
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'smp-snapshot-')), 'store')
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

/** Writes the snapshot as a store of its own, and opens that. */
function copied(snapshot: Snapshot): Store {
  const path = join(directory, '../copy')
  mkdirSync(path)
  const { size, content } = snapshot.compacted()
  for (const chunk of content) appendFileSync(join(path, 'data.mdb'), chunk)
  expect(statSync(join(path, 'data.mdb')).size).toBe(size)
  return openLmdbStore(path, options)
}

describe('a snapshot of the store', () => {
  it('is whole while a relay goes on writing, with everything that was durable before', async () => {
    const relay = child('burst', directory, '1')
    const before = Math.max(...(await printed(relay, /\n200\n/)).split('\n').slice(1).map(Number))
    const snapshot = await Snapshot.open(directory)
    const counts = snapshot.counts()
    // What the relay writes meanwhile is not in it, and takes no page of it.
    await printed(relay, new RegExp(`\n${before + 400}\n`))
    const copy = copied(snapshot)
    const { queues, messages } = copy.counts()
    expect(copy.counts()).toEqual(counts)
    expect(queues).toBeGreaterThanOrEqual(before)
    expect(queues).toBeLessThan(before + 400)
    expect(messages).toBe(queues)
    const sizes = [...copy.queues()].map(({ rcvId: id }) => copy.queueSize(id))
    expect(sizes).toEqual(new Array(queues).fill(1))
    await copy.close()
    await snapshot.close()
    expect(readdirSync(directory).toSorted()).toEqual(['data.mdb', 'lock.mdb'])
    await printed(relay, /\n\d+\n/)
  })

  it('can be taken again and again, however fast a relay commits meanwhile', async () => {
    const relay = child('burst', directory, '1')
    await printed(relay, /\n200\n/)
    for (let n = 0; n < 100; n++) await (await Snapshot.open(directory)).close()
  })

  it('holds every kind of record, those in pages of their own too, and can be written to', async () => {
    let store = openLmdbStore(directory, options)
    store.addService(aService(1))
    for (let n = 1; n <= 400; n++) {
      const queue = aQueue(n, { linkId: linkId(n), notifier: aNotifier(n), rcvServiceId: serviceId(1) })
      store.addQueue(queue, aLink(n))
      store.writeMessage(rcvId(n), aMessage(n, { body: Buffer.alloc(16_000, n) }))
      store.addNotification(notifierId(n), aNotification(n))
    }
    await store.close()
    const snapshot = await Snapshot.open(directory)
    const copy = copied(snapshot)
    await snapshot.close()
    store = openLmdbStore(directory, options)
    expect(copy.counts()).toEqual(store.counts())
    for (let n = 1; n <= 400; n++) {
      expect(copy.queueByLink(linkId(n))).toEqual(store.queue(rcvId(n)))
      expect(copy.linkData(linkId(n))).toEqual(aLink(n))
      expect(copy.firstMessage(rcvId(n))).toEqual(aMessage(n, { body: Buffer.alloc(16_000, n) }))
      expect(copy.notifications(notifierId(n))).toEqual([aNotification(n)])
      copy.deleteQueue(rcvId(n))
    }
    expect(copy.serviceSubscriptions(serviceId(1), 'R').count).toBe(0)
    copy.addQueue(aQueue(1000))
    await copy.flushed()
    await copy.close()
    await store.close()
    const again = openLmdbStore(join(directory, '../copy'), options)
    expect([...again.queues()]).toEqual([aQueue(1000)])
    await again.close()
  })

  it('holds nothing that was deleted', async () => {
    await fill(300)
    const store = openLmdbStore(directory, options)
    for (let n = 1; n <= 299; n++) store.deleteQueue(rcvId(n))
    await store.close()
    const snapshot = await Snapshot.open(directory)
    const { size, content } = snapshot.compacted()
    expect(size).toBeLessThan(statSync(join(directory, 'data.mdb')).size / 2)
    const bytes = Buffer.concat([...content])
    expect(bytes.includes(Buffer.from(rcvId(300), 'latin1'))).toBe(true)
    expect(bytes.includes(Buffer.from(rcvId(17), 'latin1'))).toBe(false)
    await snapshot.close()
  })

  it('of an empty store is one', async () => {
    await fill(0)
    const snapshot = await Snapshot.open(directory)
    const copy = copied(snapshot)
    await snapshot.close()
    copy.addQueue(aQueue(1))
    expect(copy.counts().queues).toBe(1)
    await copy.close()
  })

  it('keeps no relay from starting', async () => {
    await fill(1)
    const snapshot = await Snapshot.open(directory)
    const relay = child('open', directory)
    expect(await printed(relay, /\n/)).toBe('open\n')
    // A second relay is kept out by the first one all the same.
    const refused = await printed(child('open', directory), /\n/)
    expect(refused).toContain(`is in use by process ${relay.pid} (`)
    await snapshot.close()
  })

  it('is read by one process at a time', async () => {
    await fill(1)
    const copier = child('copy', directory)
    await printed(copier, /pinned\n/)
    await expect(Snapshot.open(directory)).rejects.toMatchObject({
      code: 'STORE_COPYING',
      message: `Process ${copier.pid} is making a copy of the message store ${directory}.`,
    })
  })

  it('whose process was killed leaves a mark that the next copy removes, and the next relay', async () => {
    await fill(1)
    for (const next of ['copy', 'relay']) {
      const copier = child('copy', directory)
      await printed(copier, /pinned\n/)
      await end(copier)
      expect(readdirSync(directory)).toContain('copying')
      if (next === 'copy') await (await Snapshot.open(directory)).close()
      else await openLmdbStore(directory, options).close()
      expect(readdirSync(directory).toSorted()).toEqual(['closed', 'data.mdb', 'lock.mdb'])
    }
  })

  it('of something else is refused', async () => {
    await fill(1)
    writeFileSync(join(directory, 'data.mdb'), Buffer.alloc(20_000, 1))
    await expect(Snapshot.open(directory)).rejects.toMatchObject({ code: 'STORE_DAMAGED' })
    expect(readdirSync(directory).toSorted()).toEqual(['closed', 'data.mdb', 'lock.mdb'])
  })
})
