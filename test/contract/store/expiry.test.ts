import { expect, it } from 'vitest'
import { contract } from './engines.ts'
import { aMessage, aNotification, aNotifier, aQueue, marker, msgId, notifierId, rcvId } from './fixtures.ts'

const T = 1_700_000_000
const q = rcvId(1)

contract('expiry', (open) => {
  it('removes messages from the head that are older than the limit, and no others', async () => {
    const store = open()
    store.addQueue(aQueue(1))
    for (const seconds of [1, 2, 3, 9, 4]) store.writeMessage(q, aMessage(seconds))
    await store.flushed()
    expect(store.expireMessages(q, T + 3)).toBe(2)
    expect(store.firstMessage(q)?.id).toBe(msgId(3))
    expect(store.expireMessages(q, T + 5)).toBe(1)
    expect([...store.messages(q)].map((message) => message.id)).toEqual([msgId(9), msgId(4)])
    expect(store.expireMessages(q, T + 100)).toBe(2)
    expect(store.queueSize(q)).toBe(0)
    expect(store.counts().messages).toBe(0)
  })

  it('stops at a quota marker, which keeps the queue closed', () => {
    const store = open({ quota: 2 })
    store.addQueue(aQueue(1))
    for (let n = 1; n <= 3; n++) store.writeMessage(q, aMessage(n))
    expect(store.expireMessages(q, T + 100)).toBe(2)
    expect([...store.messages(q)]).toEqual([marker(3)])
    expect(store.writeMessage(q, aMessage(4))).toEqual({ stored: false })
  })

  it('walks all queues, and tells what was removed and what is left', async () => {
    const store = open()
    for (let n = 0; n < 600; n++) {
      store.addQueue(aQueue(n))
      for (const seconds of [1, 2, 3]) store.writeMessage(rcvId(n), aMessage(seconds, { body: Buffer.alloc(10) }))
      if (n === 300) await store.flushed()
    }
    store.addQueue(aQueue(1000))
    expect(await store.expireQueues(T + 3)).toEqual({ expired: 1200, stored: 600, queues: 601 })
    await store.flushed()
    expect(await store.expireQueues(T + 3)).toEqual({ expired: 0, stored: 600, queues: 601 })
    expect(await store.expireQueues(T + 4)).toEqual({ expired: 600, stored: 0, queues: 601 })
  })

  it('bears queues that are deleted, emptied and filled while it walks', async () => {
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

  it('does not keep the event loop from turning for long', async () => {
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

  it('removes old notifications of all notifiers', async () => {
    const store = open()
    for (let n = 0; n < 5; n++) {
      store.addQueue(aQueue(n, { notifier: aNotifier(n) }))
      for (const seconds of [1, 2, 3]) store.addNotification(notifierId(n), aNotification(seconds))
    }
    await store.flushed()
    expect(await store.expireNotifications(T + 3)).toBe(10)
    expect(store.notifications(notifierId(4))).toEqual([aNotification(3)])
    expect(await store.expireNotifications(T + 99)).toBe(5)
    expect(store.notifications(notifierId(4))).toEqual([])
    expect(store.counts().notifications).toBe(0)
  })
})
