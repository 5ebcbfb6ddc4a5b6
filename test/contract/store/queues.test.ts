import { expect, it } from 'vitest'
import { RESERVED_IDS } from '../../../src/store/store.ts'
import { contract } from './engines.ts'
import {
  aLink,
  aMessage,
  aNotification,
  aNotifier,
  aQueue,
  DAY,
  ed25519,
  ed448,
  linkId,
  notifierId,
  rcvId,
  sndId,
  x25519,
} from './fixtures.ts'

contract('queues', (open) => {
  it('gives back a queue by each of its ids, with all its parts', async () => {
    const store = open()
    const queue = aQueue(1, {
      recipientKeys: [ed25519(1), ed448(2), x25519(3)],
      senderKey: x25519(4),
      queueMode: 'C',
      linkId: linkId(1),
      notifier: aNotifier(1),
      status: { type: 'blocked', reason: 'content', notice: { ttl: 3600 } },
    })
    expect(store.addQueue(queue, aLink(1))).toBeUndefined()
    for (let round = 0; round < 2; round++) {
      expect(store.queue(rcvId(1))).toEqual(queue)
      expect(store.queueBySender(sndId(1))).toEqual(queue)
      expect(store.queueByNotifier(notifierId(1))).toEqual(queue)
      expect(store.queueByLink(linkId(1))).toEqual(queue)
      expect(store.linkData(linkId(1))).toEqual(aLink(1))
      await store.flushed()
    }
  })

  it('knows nothing of a queue that was not added', () => {
    const store = open()
    expect(store.queue(rcvId(1))).toBeUndefined()
    expect(store.queueBySender(sndId(1))).toBeUndefined()
    expect(store.queueByNotifier(notifierId(1))).toBeUndefined()
    expect(store.queueByLink(linkId(1))).toBeUndefined()
    expect(store.linkData(linkId(1))).toBeUndefined()
  })

  it('says which id of a new queue is taken, and then adds nothing of it', () => {
    const store = open()
    store.addQueue(aQueue(1, { linkId: linkId(1), notifier: aNotifier(1) }), aLink(1))
    expect(store.addQueue(aQueue(2, { rcvId: rcvId(1) }))).toBe('rcvId')
    expect(store.addQueue(aQueue(2, { sndId: sndId(1) }))).toBe('sndId')
    expect(store.addQueue(aQueue(2, { notifier: aNotifier(1) }))).toBe('notifierId')
    expect(store.addQueue(aQueue(2, { linkId: linkId(1) }), aLink(2))).toBe('linkId')
    expect(store.queue(rcvId(2))).toBeUndefined()
    expect(store.queueBySender(sndId(2))).toBeUndefined()
    expect(store.linkData(linkId(1))).toEqual(aLink(1))
    expect(store.counts()).toMatchObject({ queues: 1, notifiers: 1 })
    expect(store.addQueue(aQueue(2))).toBeUndefined()
  })

  it('does not mistake the ids of one kind for those of another', () => {
    const store = open()
    const same = 'x'.repeat(24)
    const all = { rcvId: same, sndId: same, linkId: same, notifier: { ...aNotifier(1), notifierId: same } }
    expect(store.addQueue(aQueue(1, all as never), aLink(1))).toBeUndefined()
    expect(store.queueBySender(same as never)?.rcvId).toBe(same)
  })

  it('keeps ids that are prefixes of each other apart', async () => {
    const store = open()
    const ids = ['a', 'a\0', 'a\0\0', '\xff', '\xff\xff']
    ids.forEach((id, n) => store.addQueue(aQueue(n, { rcvId: id as never, sndId: id as never })))
    ids.forEach((id, n) => store.writeMessage(id as never, aMessage(n)))
    await store.flushed()
    ids.forEach((id, n) => {
      expect(store.firstMessage(id as never)?.timestamp).toBe(aMessage(n).timestamp)
      expect(store.queueSize(id as never)).toBe(1)
    })
    expect([...store.queues()].map((queue) => queue.rcvId).sort()).toEqual([...ids].sort())
  })

  it('changes keys, status and day of use, each without touching the rest', async () => {
    const store = open()
    const queue = aQueue(1, { notifier: aNotifier(1) })
    store.addQueue(queue)
    store.secureQueue(rcvId(1), x25519(9))
    expect(store.queue(rcvId(1))).toEqual({ ...queue, senderKey: x25519(9) })
    await store.flushed()
    store.setRecipientKeys(rcvId(1), [ed448(1), ed25519(2)])
    store.setStatus(rcvId(1), { type: 'off' })
    store.touchQueue(rcvId(1), 20_001 * DAY)
    const changed = {
      ...queue,
      senderKey: x25519(9),
      recipientKeys: [ed448(1), ed25519(2)],
      status: { type: 'off' },
      updatedAt: 20_001 * DAY,
    }
    expect(store.queueBySender(sndId(1))).toEqual(changed)
    await store.flushed()
    expect(store.queueBySender(sndId(1))).toEqual(changed)
  })

  it.each([
    { type: 'active' },
    { type: 'off' },
    { type: 'blocked', reason: 'spam' },
    { type: 'blocked', reason: 'content' },
    { type: 'blocked', reason: 'spam', notice: {} },
    { type: 'blocked', reason: 'content', notice: { ttl: 0 } },
  ] as const)('keeps the status %j', async (status) => {
    const store = open()
    store.addQueue(aQueue(1))
    store.setStatus(rcvId(1), status)
    await store.flushed()
    expect(store.queue(rcvId(1))?.status).toEqual(status)
  })

  it('keeps a queue without mode, day of use and keys of senders as it is', async () => {
    const store = open()
    const { sndId, recipientKeys, rcvDhSecret, status } = aQueue(1)
    const old = { rcvId: rcvId(1), sndId, recipientKeys, rcvDhSecret, status }
    store.addQueue(old)
    await store.flushed()
    expect(store.queue(rcvId(1))).toEqual(old)
  })

  it('never changes a record that it gave out', () => {
    const store = open()
    store.addQueue(aQueue(1, { notifier: aNotifier(1) }))
    const before = store.queue(rcvId(1))
    store.setStatus(rcvId(1), { type: 'off' })
    store.deleteNotifier(rcvId(1))
    store.deleteQueue(rcvId(1))
    expect(before).toEqual(aQueue(1, { notifier: aNotifier(1) }))
  })

  it('refuses to change a queue that does not exist', () => {
    const store = open()
    expect(() => store.secureQueue(rcvId(1), ed25519(1))).toThrow('no such queue')
    expect(() => store.writeMessage(rcvId(1), aMessage(1))).toThrow('no such queue')
    expect(() => store.setNotifier(rcvId(1), aNotifier(1))).toThrow('no such queue')
    expect(() => store.deleteLink(rcvId(1))).toThrow('no such queue')
  })

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
})

contract('links', (open) => {
  it('sets, replaces and deletes the data of a link', async () => {
    const store = open()
    store.addQueue(aQueue(1))
    expect(store.setLink(rcvId(1), linkId(1), aLink(1))).toBe('ok')
    expect(store.queue(rcvId(1))?.linkId).toBe(linkId(1))
    await store.flushed()
    expect(store.setLink(rcvId(1), linkId(1), aLink(2))).toBe('ok')
    expect(store.linkData(linkId(1))).toEqual(aLink(2))
    store.deleteLink(rcvId(1))
    expect(store.linkData(linkId(1))).toBeUndefined()
    expect(store.queueByLink(linkId(1))).toBeUndefined()
    expect(store.queue(rcvId(1))).toEqual(aQueue(1))
    store.deleteLink(rcvId(1))
    await store.flushed()
    expect(store.queue(rcvId(1))).toEqual(aQueue(1))
  })

  it('refuses a link id of another queue', () => {
    const store = open()
    store.addQueue(aQueue(1, { linkId: linkId(1) }), aLink(1))
    store.addQueue(aQueue(2))
    expect(store.setLink(rcvId(2), linkId(1), aLink(2))).toBe('taken')
    expect(store.queue(rcvId(2))).toEqual(aQueue(2))
    expect(store.linkData(linkId(1))).toEqual(aLink(1))
  })

  it('releases the previous link id of the queue', () => {
    const store = open()
    store.addQueue(aQueue(1, { linkId: linkId(1) }), aLink(1))
    expect(store.setLink(rcvId(1), linkId(2), aLink(2))).toBe('ok')
    expect(store.queueByLink(linkId(1))).toBeUndefined()
    expect(store.linkData(linkId(1))).toBeUndefined()
    expect(store.queueByLink(linkId(2))?.rcvId).toBe(rcvId(1))
  })

  it('keeps empty data', async () => {
    const store = open()
    store.addQueue(aQueue(1, { linkId: linkId(1) }), { fixedData: Buffer.alloc(0), userData: Buffer.alloc(0) })
    await store.flushed()
    expect(store.linkData(linkId(1))).toEqual({ fixedData: Buffer.alloc(0), userData: Buffer.alloc(0) })
  })
})

contract('deleting a queue', (open) => {
  it('takes everything that belongs to it along, and says how many messages there were', async () => {
    const store = open()
    for (const again of [false, true]) {
      const n = again ? 2 : 1
      store.addQueue(aQueue(n, { linkId: linkId(n), notifier: aNotifier(n) }), aLink(n))
      for (let i = 0; i < 5; i++) store.writeMessage(rcvId(n), aMessage(i))
      store.addNotification(notifierId(n), aNotification(1))
      if (again) await store.flushed()
      expect(store.deleteQueue(rcvId(n))).toBe(5)
      if (again) await store.flushed()
      expect(store.queue(rcvId(n))).toBeUndefined()
      expect(store.queueBySender(sndId(n))).toBeUndefined()
      expect(store.queueByNotifier(notifierId(n))).toBeUndefined()
      expect(store.queueByLink(linkId(n))).toBeUndefined()
      expect(store.linkData(linkId(n))).toBeUndefined()
      expect(store.firstMessage(rcvId(n))).toBeUndefined()
      expect(store.notifications(notifierId(n))).toEqual([])
      expect(store.counts()).toMatchObject({ queues: 0, messages: 0, notifiers: 0, notifications: 0 })
    }
  })

  it('answers undefined when there is none', () => {
    const store = open()
    expect(store.deleteQueue(rcvId(1))).toBeUndefined()
    store.addQueue(aQueue(1))
    expect(store.deleteQueue(rcvId(1))).toBe(0)
    expect(store.deleteQueue(rcvId(1))).toBeUndefined()
  })

  it('keeps its recipient id and link id reserved, and frees its sender id', () => {
    const store = open()
    store.addQueue(aQueue(1, { linkId: linkId(1) }), aLink(1))
    store.deleteQueue(rcvId(1))
    expect(store.addQueue(aQueue(1))).toBe('rcvId')
    expect(store.addQueue(aQueue(2, { linkId: linkId(1) }), aLink(1))).toBe('linkId')
    expect(store.addQueue(aQueue(2, { sndId: sndId(1) }))).toBeUndefined()
    expect(store.setLink(rcvId(2), linkId(1), aLink(1))).toBe('taken')
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
})
