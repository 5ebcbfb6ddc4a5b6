import { expect, it } from 'vitest'
import { contract } from './engines.ts'
import { aMessage, aNotification, aNotifier, aQueue, marker, msgId, notifierId, rcvId } from './fixtures.ts'

const T = 1_700_000_000
const q = rcvId(1)

contract('expiry', (open) => {
  it('removes messages from the head that are older than the limit, and no others', async () => {
    const store = await open()
    await store.addQueue(aQueue(1))
    for (const seconds of [1, 2, 3, 9, 4]) await store.writeMessage(q, aMessage(seconds))
    await store.flushed()
    expect(await store.expireMessages(q, T + 3)).toBe(2)
    expect((await store.firstMessage(q))?.id).toBe(msgId(3))
    expect(await store.expireMessages(q, T + 5)).toBe(1)
    expect((await store.messages(q)).map((message) => message.id)).toEqual([msgId(9), msgId(4)])
    expect(await store.expireMessages(q, T + 100)).toBe(2)
    expect(await store.queueSize(q)).toBe(0)
    expect((await store.counts()).messages).toBe(0)
  })

  it('stops at a quota marker, which keeps the queue closed', async () => {
    const store = await open({ quota: 2 })
    await store.addQueue(aQueue(1))
    for (let n = 1; n <= 3; n++) await store.writeMessage(q, aMessage(n))
    expect(await store.expireMessages(q, T + 100)).toBe(2)
    expect(await store.messages(q)).toEqual([marker(3)])
    expect(await store.writeMessage(q, aMessage(4))).toEqual({ stored: false })
  })

  it('walks all queues, and tells what was removed and what is left', async () => {
    const store = await open()
    for (let n = 0; n < 600; n++) {
      await store.addQueue(aQueue(n))
      for (const seconds of [1, 2, 3]) await store.writeMessage(rcvId(n), aMessage(seconds, { body: Buffer.alloc(10) }))
      if (n === 300) await store.flushed()
    }
    await store.addQueue(aQueue(1000))
    expect(await store.expireQueues(T + 3)).toEqual({ expired: 1200, stored: 600, queues: 601 })
    await store.flushed()
    expect(await store.expireQueues(T + 3)).toEqual({ expired: 0, stored: 600, queues: 601 })
    expect(await store.expireQueues(T + 4)).toEqual({ expired: 600, stored: 0, queues: 601 })
  })

  it('removes old notifications of all notifiers', async () => {
    const store = await open()
    for (let n = 0; n < 5; n++) {
      await store.addQueue(aQueue(n, { notifier: aNotifier(n) }))
      for (const seconds of [1, 2, 3]) await store.addNotification(notifierId(n), aNotification(seconds))
    }
    await store.flushed()
    expect(await store.expireNotifications(T + 3)).toBe(10)
    expect(await store.notifications(notifierId(4))).toEqual([aNotification(3)])
    expect(await store.expireNotifications(T + 99)).toBe(5)
    expect(await store.notifications(notifierId(4))).toEqual([])
    expect((await store.counts()).notifications).toBe(0)
  })
})
