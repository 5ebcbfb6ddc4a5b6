import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { RcvId } from '../../../src/protocol/ids.ts'
import { RESERVED_IDS } from '../../../src/store/store.ts'
import { embedded } from './engines.ts'
import {
  aMessage,
  aNotification,
  aNotifier,
  aQueue,
  aService,
  msgId,
  notifierId,
  rcvId,
  serviceId,
  sndId,
} from './fixtures.ts'

const T = 1_700_000_000
const q = rcvId(1)
const stored = (wasEmpty: boolean): unknown => ({ stored: true, wasEmpty })
const refused = { stored: false }

embedded('a store of one process', (open) => {
  it('walks all queues, and bears changes on the way', async () => {
    const store = open()
    for (let n = 0; n < 700; n++) store.addQueue(aQueue(n))
    await store.flushed()
    for (let n = 700; n < 800; n++) store.addQueue(aQueue(n))
    store.deleteQueue(rcvId(650))
    const seen: string[] = []
    for (const queue of store.queues()) {
      seen.push(queue.rcvId)
      if (seen.length === 10) {
        store.deleteQueue(rcvId(799))
        await store.flushed()
      }
    }
    const expected = Array.from({ length: 799 }, (_, n) => rcvId(n)).filter((id) => id !== rcvId(650))
    expect(seen.sort()).toEqual(expected.sort())
  })

  it(`remembers the ids of the last ${String(RESERVED_IDS)} deletions only`, async () => {
    const store = open()
    for (let n = 0; n <= RESERVED_IDS; n++) {
      store.addQueue(aQueue(n))
      store.deleteQueue(rcvId(n))
      if (n % 1000 === 0) await store.flushed()
    }
    expect(store.addQueue(aQueue(1))).toBe('rcvId')
    expect(store.addQueue(aQueue(0))).toBeUndefined()
  })

  it('expires messages, and bears queues that are deleted, emptied and filled while it walks', async () => {
    const store = open()
    for (let n = 0; n < 2000; n++) {
      store.addQueue(aQueue(n))
      store.writeMessage(rcvId(n), aMessage(1, { body: Buffer.alloc(4000) }))
    }
    await store.flushed()
    const walk = store.expireQueues(T + 2)
    for (let n = 1999; n > 0; n -= 2) {
      store.deleteQueue(rcvId(n))
      store.deleteFirstMessage(rcvId(n - 1), msgId(1))
      store.writeMessage(rcvId(n - 1), aMessage(9))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await walk
    expect(store.counts().queues).toBe(1000)
    let messages = 0
    for (const { rcvId } of store.queues()) messages += [...store.messages(rcvId)].length
    expect(store.counts().messages).toBe(messages)
    for (const { rcvId } of store.queues()) expect(store.firstMessage(rcvId)?.id).not.toBe(msgId(1))
  })

  it('expires messages, and does not keep the event loop from turning for long', async () => {
    const store = open()
    for (let n = 0; n < 20_000; n++) {
      store.addQueue(aQueue(n))
      store.writeMessage(rcvId(n), aMessage(1, { body: Buffer.alloc(10) }))
      if (n % 500 === 0) await store.flushed()
    }
    await store.flushed()
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await store.expireQueues(T + 2)
    clearInterval(timer)
    expect(turns).toBeGreaterThan(2)
  })

  it('walks the queues of a service lazily, while some of them leave', async () => {
    const store = open()
    for (let n = 0; n < 600; n++) store.addQueue(aQueue(n, { rcvServiceId: serviceId(1) }))
    for (let n = 600; n < 700; n++) store.addQueue(aQueue(n, { rcvServiceId: serviceId(2) }))
    await store.flushed()
    const seen = new Set<RcvId>()
    for (const id of store.serviceQueues(serviceId(1), 'R')) {
      seen.add(id)
      if (seen.size === 1) {
        store.deleteQueue(rcvId(599))
        await store.flushed()
      }
    }
    expect([...seen].sort()).toEqual(Array.from({ length: 599 }, (_, n) => rcvId(n)).sort())
  })

  it('frees the sender id of a deleted queue', () => {
    const store = open()
    store.addQueue(aQueue(1))
    store.deleteQueue(rcvId(1))
    expect(store.addQueue(aQueue(2, { sndId: sndId(1) }))).toBeUndefined()
  })

  it('closes a queue with a restored marker', async () => {
    const store = open({ quota: 5 })
    store.addQueue(aQueue(1))
    store.writeMessage(q, aMessage(1))
    store.restoreMarker(q, { type: 'quota', id: msgId(2), timestamp: 5 })
    await store.flushed()
    expect(store.writeMessage(q, aMessage(3))).toEqual(refused)
    expect([...store.messages(q)].map(({ type }) => type)).toEqual(['message', 'quota'])
  })

  it('lets a restored marker take the place of one at the head', () => {
    const store = open({ quota: 1 })
    store.addQueue(aQueue(1))
    store.restoreMarker(q, { type: 'quota', id: msgId(1), timestamp: 4 })
    store.restoreMarker(q, { type: 'quota', id: msgId(2), timestamp: 5 })
    expect([...store.messages(q)]).toEqual([{ type: 'quota', id: msgId(2), timestamp: 5 }])
    expect(store.writeMessage(q, aMessage(3))).toEqual(refused)
    store.deleteFirstMessage(q, msgId(2))
    expect(store.writeMessage(q, aMessage(3))).toEqual(stored(true))
    expect(store.counts().messages).toBe(1)
  })

  it('drops all messages, markers and notifications too; the queues stay and take messages again', async () => {
    const store = open()
    for (const n of [1, 2, 3]) store.addQueue(aQueue(n, { notifier: aNotifier(n) }))
    for (let n = 0; n < 300; n++) store.writeMessage(rcvId(1), aMessage(n))
    store.writeMessage(rcvId(2), aMessage(400))
    store.addNotification(notifierId(2), aNotification(1))
    await store.flushed()
    const { messages } = store.counts()
    expect(await store.dropMessages()).toBe(messages)
    expect(store.counts()).toMatchObject({ queues: 3, messages: 0, notifications: 0, notifiers: 3 })
    expect([rcvId(1), rcvId(2)].map((id) => store.queueSize(id))).toEqual([0, 0])
    expect(store.notifications(notifierId(2))).toEqual([])
    await store.flushed()
    expect(store.writeMessage(rcvId(1), aMessage(500))).toEqual(stored(true))
    expect(store.firstMessage(rcvId(1))).toEqual(aMessage(500))
    expect(await store.dropMessages()).toBe(1)
    expect(await store.dropMessages()).toBe(0)
  })

  it('deletes notifiers with thousands of pending notifications at once, and their ids can be used again at once', async () => {
    const store = open()
    store.addQueue(aQueue(1, { notifier: aNotifier(1) }))
    for (let n = 0; n < 3000; n++) store.addNotification(notifierId(1), aNotification(n))
    await store.flushed()
    store.deleteNotifier(q)
    expect(store.counts().notifications).toBe(0)
    store.setNotifier(q, aNotifier(1))
    expect(store.notifications(notifierId(1))).toEqual([])
    for (let n = 0; n < 400; n++) store.addNotification(notifierId(1), aNotification(n))
    store.deleteNotifier(q)
    store.setNotifier(q, aNotifier(1))
    store.addNotification(notifierId(1), aNotification(7))
    for (let turns = 0; turns < 50; turns++) {
      await nextTurn()
      await store.flushed()
    }
    expect(store.notifications(notifierId(1))).toEqual([aNotification(7)])
    expect(store.counts().notifications).toBe(1)
  })

  it('removes services with their last association, of queues and of notifiers, and takes them again', async () => {
    const store = open()
    store.addService(aService(1))
    store.addQueue(aQueue(1, { notifier: aNotifier(1) }))
    store.addQueue(aQueue(2, { notifier: aNotifier(2) }))
    store.setQueueService(rcvId(1), 'R', serviceId(1))
    store.setQueueService(rcvId(2), 'N', serviceId(1))
    await store.flushed()
    store.setQueueService(rcvId(1), 'R', undefined)
    expect(store.service(serviceId(1))).toEqual(aService(1))
    store.deleteNotifier(rcvId(2))
    expect(store.service(serviceId(1))).toBeUndefined()
    expect(store.serviceByCertHash(Buffer.alloc(32, 1))).toBeUndefined()
    expect(store.counts()).toMatchObject({ rcvServices: 0, rcvServiceQueues: 0, ntfServiceQueues: 0 })
    await store.flushed()
    expect(store.addService(aService(1))).toBe('ok')
    store.setQueueService(rcvId(1), 'R', serviceId(1))
    store.deleteQueue(rcvId(1))
    expect(store.service(serviceId(1))).toBeUndefined()
  })
})
