import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { open as openEnvironment } from 'lmdb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/errors/app-error.ts'
import { openLmdbStore } from '../../../src/store/lmdb.ts'
import { StoreError } from '../../../src/store/store.ts'
import type { EmbeddedStore } from '../../../src/store/work.ts'
import { temporaryDirectory } from './engines.ts'
import {
  aLink,
  aMessage,
  aNotification,
  aNotifier,
  aQueue,
  aService,
  linkId,
  marker,
  msgId,
  notifierId,
  rcvId,
  serviceId,
  sndId,
} from './fixtures.ts'

const options = { quota: 128 }
let directory: string
const children: ChildProcess[] = []

beforeEach(() => {
  directory = temporaryDirectory()
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

function child(...args: string[]): ChildProcess {
  const [loader, script] = ['typescript.mjs', 'lmdb-child.ts'].map((name) => new URL(name, import.meta.url))
  const started = spawn(process.execPath, ['--import', String(loader), fileURLToPath(String(script)), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(started)
  return started
}

async function firstLine(process: ChildProcess): Promise<string> {
  let text = ''
  for await (const data of process.stdout ?? []) {
    text += String(data)
    if (text.includes('\n')) break
  }
  return text.split('\n')[0] ?? ''
}

async function reopened(store: EmbeddedStore): Promise<EmbeddedStore> {
  await store.close()
  return openLmdbStore(directory, options)
}

describe('a store that is opened again', () => {
  it('has everything it had', async () => {
    let store = openLmdbStore(directory, { quota: 2 })
    store.addService(aService(1))
    const queue = aQueue(1, { linkId: linkId(1), notifier: aNotifier(1), rcvServiceId: serviceId(1) })
    store.addQueue(queue, aLink(1))
    for (let n = 1; n <= 3; n++) store.writeMessage(rcvId(1), aMessage(n))
    store.addNotification(notifierId(1), aNotification(1))
    const subscriptions = store.serviceSubscriptions(serviceId(1), 'R')
    const counts = store.counts()
    store = await reopened(store)
    expect(store.queueByLink(linkId(1))).toEqual(queue)
    expect(store.linkData(linkId(1))).toEqual(aLink(1))
    expect([...store.messages(rcvId(1))]).toEqual([aMessage(1), aMessage(2), marker(3)])
    expect(store.writeMessage(rcvId(1), aMessage(4))).toEqual({ stored: false })
    expect(store.notifications(notifierId(1))).toEqual([aNotification(1)])
    expect(store.service(serviceId(1))).toEqual(aService(1))
    expect(store.serviceSubscriptions(serviceId(1), 'R')).toEqual(subscriptions)
    expect(store.counts()).toEqual(counts)
    await store.close()
  })

  it('gives ids of deleted queues out again', async () => {
    let store = openLmdbStore(directory, options)
    store.addQueue(aQueue(1))
    store.deleteQueue(rcvId(1))
    store = await reopened(store)
    expect(store.addQueue(aQueue(1))).toBeUndefined()
    await store.close()
  })

  it('has a directory and files that only its owner can read', async () => {
    const inner = join(directory, 'a', 'store')
    const store = openLmdbStore(inner, options)
    expect(statSync(inner).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(inner)) expect(statSync(join(inner, name)).mode & 0o777).toBe(0o600)
    await store.close()
  })

  it('grows far beyond the size it began with', async () => {
    let store = openLmdbStore(directory, options)
    const body = Buffer.alloc(60_000, 7)
    for (let n = 0; n < 40; n++) {
      store.addQueue(aQueue(n))
      for (let i = 0; i < 100; i++) store.writeMessage(rcvId(n), aMessage(i, { body }))
      await store.flushed()
    }
    store = await reopened(store)
    expect(store.counts().messages).toBe(4000)
    expect(store.firstMessage(rcvId(39))).toEqual(aMessage(0, { body }))
    await store.close()
  })
})

describe('kill -9', () => {
  it('loses nothing that was promised, and never leaves a half effect', async () => {
    let next = 0
    for (let round = 0; round < 20; round++) {
      const process = child('burst', directory, String(next))
      let promised = next - 1
      let seen = ''
      const exited = once(process, 'exit')
      process.stdout?.on('data', (data) => {
        seen += String(data)
        const lines = seen.split('\n')
        seen = lines.pop() ?? ''
        for (const line of lines) if (line !== 'open') promised = Number(line)
        if (promised > next + 50 + 37 * round) process.kill('SIGKILL')
      })
      await exited
      expect(promised).toBeGreaterThan(next)

      const store = openLmdbStore(directory, options)
      const queues = [...store.queues()].length
      const broken = []
      for (let n = next; n < queues; n++) {
        const whole =
          store.queue(rcvId(n))?.sndId === sndId(n) &&
          store.queueBySender(sndId(n))?.rcvId === rcvId(n) &&
          store.firstMessage(rcvId(n))?.id === msgId(2 * n + 1) &&
          store.queueSize(rcvId(n)) === 1
        if (!whole) broken.push(n)
      }
      expect(broken).toEqual([])
      expect(queues).toBeGreaterThan(promised)
      expect(store.counts()).toMatchObject({ queues, messages: queues })
      await store.close()
      next = queues
    }
  }, 300_000)
})

describe('a disk that gets full', () => {
  // A file system of its own that is small: takes root, and a kernel that lets it mount.
  const obstacle = whyNotMountable()

  if (obstacle !== undefined) {
    it(`cannot be had here (${obstacle}): see the tests of the group commit`, () => undefined)
    return
  }

  it('undoes what does not fit, serves on, and lets messages be received', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', directory])
    let rollbacks = 0
    const store = openLmdbStore(join(directory, 'store'), { quota: 128, onRollback: () => rollbacks++ })
    try {
      const body = Buffer.alloc(16_000)
      let kept = 0
      for (; kept < 1280; kept++) {
        const n = Math.floor(kept / 128)
        if (kept % 128 === 0) store.addQueue(aQueue(n))
        store.writeMessage(rcvId(n), aMessage(kept, { body }))
        try {
          await store.flushed()
        } catch (error) {
          expect(error).toBeInstanceOf(StoreError)
          expect(error).toMatchObject({ reason: expect.stringMatching(/MiB left on the disk/) as string })
          break
        }
      }
      expect(kept).toBeGreaterThan(300)
      expect(kept).toBeLessThan(1280)
      expect(rollbacks).toBe(1)
      expect(store.counts().messages).toBe(kept)

      for (let n = 0; n < 100; n++) {
        expect(store.deleteFirstMessage(rcvId(0), msgId(n))?.id).toBe(msgId(n))
        await store.flushed()
      }
      for (let n = 0; n < 10; n++) {
        store.writeMessage(rcvId(0), aMessage(n, { body }))
        await store.flushed()
      }
      expect(store.counts().messages).toBe(kept - 90)
      expect(rollbacks).toBe(1)
    } finally {
      await store.close()
      execFileSync('umount', [directory])
    }
  })

  it('by another program never reaches LMDB, and is over when that program makes room', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', directory])
    let failures = 0
    const store = openLmdbStore(join(directory, 'store'), { quota: 128, onFailure: () => failures++ })
    try {
      let kept = 0
      let refused = 0
      const body = Buffer.alloc(16_000)
      for (let n = 0; n < 40; n++) store.addQueue(aQueue(n))
      await store.flushed()
      for (let round = 0; round < 6; round++) {
        // All of the disk, at a time that the store cannot know.
        const filler = join(directory, 'filler')
        spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'], { stdio: 'ignore' })
        for (let n = 0; n < 60; n++) {
          const message = aMessage(round * 1000 + n, { body })
          store.writeMessage(rcvId((round * 60 + n) % 40), message)
          await store.flushed().then(
            () => kept++,
            () => refused++,
          )
        }
        expect(store.counts().messages).toBe(kept)
        // Room is made all the same by what is received.
        for (let n = 0; n < 40; n++) {
          const first = store.firstMessage(rcvId(n))
          if (first === undefined) continue
          store.deleteFirstMessage(rcvId(n), first.id)
          await store.flushed()
          kept--
        }
        rmSync(filler)
        store.writeMessage(rcvId(round), aMessage(round * 1000 + 999, { body }))
        await store.flushed()
        kept++
      }
      expect(refused).toBeGreaterThan(20)
      expect([store.counts().messages, failures]).toEqual([kept, 0])
    } finally {
      await store.close()
      execFileSync('umount', [directory])
    }
  }, 60_000)
})

describe('opening is refused', () => {
  const code = (name: string): unknown => expect.objectContaining({ code: name })
  const opening = (path: string) => (): unknown => openLmdbStore(path, options)

  it('while another process has the store open, and allowed when that one was killed', async () => {
    const other = child('open', directory)
    expect(await firstLine(other)).toBe('open')
    expect(opening(directory)).toThrow(code('STORE_IN_USE'))
    const exited = once(other, 'exit')
    other.kill('SIGKILL')
    await exited
    const store = openLmdbStore(directory, options)
    expect(await firstLine(child('open', directory))).toMatch(/is in use by process \d+ \(/)
    await store.close()
  })

  it('while this process has the store open', async () => {
    const store = openLmdbStore(directory, options)
    expect(opening(directory)).toThrow(code('STORE_IN_USE'))
    await store.close()
    await openLmdbStore(directory, options).close()
  })

  it('when the store has a newer format', async () => {
    await openLmdbStore(directory, options).close()
    const environment = openEnvironment<Buffer, string>({ path: directory, noSubdir: false, overlappingSync: false })
    const meta = environment.openDB<Buffer, Buffer>('meta', { encoding: 'binary', keyEncoding: 'binary' })
    const newer = Buffer.from([0, 0, 0, 2])
    await meta.put(Buffer.from('format'), newer)
    await environment.close()
    expect(opening(directory)).toThrow(code('STORE_FORMAT'))
    expect(opening(directory)).toThrow(/has format 2, written by smp-server .*; this version reads up to format 1/)
  })

  it('when the path is a file, or goes through one', () => {
    writeFileSync(join(directory, 'file'), 'x')
    expect(opening(join(directory, 'file'))).toThrow(code('STORE_NOT_A_DIRECTORY'))
    expect(opening(join(directory, 'file', 'store'))).toThrow(code('STORE_NOT_A_DIRECTORY'))
  })

  it('when the files are not those of a store', () => {
    writeFileSync(join(directory, 'data.mdb'), Buffer.alloc(20_000, 'x'))
    expect(opening(directory)).toThrow(code('STORE_DAMAGED'))
  })

  it('when the directory cannot be written to, with a remedy', () => {
    mkdirSync(join(directory, 'store'))
    const uid = process.getuid?.()
    // Root may write anywhere; the file system under /proc refuses root too.
    const path = uid === 0 ? '/proc/sys/kernel' : join(directory, 'store')
    if (uid !== 0) execFileSync('chmod', ['500', path])
    try {
      opening(path)()
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(AppError)
      expect(error).toMatchObject({ code: 'STORE_NOT_WRITABLE', remedy: expect.any(String) as string })
    }
  })
})

function whyNotMountable(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root'
  const probe = temporaryDirectory()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe], { stdio: 'pipe' })
    execFileSync('umount', [probe])
    return undefined
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[1] ?? error.message) : String(error)
  } finally {
    rmSync(probe, { recursive: true })
  }
}
