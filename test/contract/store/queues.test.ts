import { expect, it } from 'vitest'
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
    const store = await open()
    const queue = aQueue(1, {
      recipientKeys: [ed25519(1), ed448(2), x25519(3)],
      senderKey: x25519(4),
      queueMode: 'C',
      linkId: linkId(1),
      notifier: aNotifier(1),
      status: { type: 'blocked', reason: 'content', notice: { ttl: 3600 } },
    })
    expect(await store.addQueue(queue, aLink(1))).toBeUndefined()
    for (let round = 0; round < 2; round++) {
      expect(await store.queue(rcvId(1))).toEqual(queue)
      expect(await store.queueBySender(sndId(1))).toEqual(queue)
      expect(await store.queueByNotifier(notifierId(1))).toEqual(queue)
      expect(await store.queueByLink(linkId(1))).toEqual(queue)
      expect(await store.linkData(linkId(1))).toEqual(aLink(1))
      await store.flushed()
    }
  })

  it('knows nothing of a queue that was not added', async () => {
    const store = await open()
    expect(await store.queue(rcvId(1))).toBeUndefined()
    expect(await store.queueBySender(sndId(1))).toBeUndefined()
    expect(await store.queueByNotifier(notifierId(1))).toBeUndefined()
    expect(await store.queueByLink(linkId(1))).toBeUndefined()
    expect(await store.linkData(linkId(1))).toBeUndefined()
  })

  it('says which id of a new queue is taken, and then adds nothing of it', async () => {
    const store = await open()
    await store.addQueue(aQueue(1, { linkId: linkId(1), notifier: aNotifier(1) }), aLink(1))
    expect(await store.addQueue(aQueue(2, { rcvId: rcvId(1) }))).toBe('rcvId')
    expect(await store.addQueue(aQueue(2, { sndId: sndId(1) }))).toBe('sndId')
    expect(await store.addQueue(aQueue(2, { notifier: aNotifier(1) }))).toBe('notifierId')
    expect(await store.addQueue(aQueue(2, { linkId: linkId(1) }), aLink(2))).toBe('linkId')
    expect(await store.queue(rcvId(2))).toBeUndefined()
    expect(await store.queueBySender(sndId(2))).toBeUndefined()
    expect(await store.linkData(linkId(1))).toEqual(aLink(1))
    expect(await store.counts()).toMatchObject({ queues: 1, notifiers: 1 })
    expect(await store.addQueue(aQueue(2))).toBeUndefined()
  })

  it('does not mistake the ids of one kind for those of another', async () => {
    const store = await open()
    const same = 'x'.repeat(24)
    const all = { rcvId: same, sndId: same, linkId: same, notifier: { ...aNotifier(1), notifierId: same } }
    expect(await store.addQueue(aQueue(1, all as never), aLink(1))).toBeUndefined()
    expect((await store.queueBySender(same as never))?.rcvId).toBe(same)
  })

  it('keeps ids that are prefixes of each other apart', async () => {
    const store = await open()
    const ids = ['a', 'a\0', 'a\0\0', '\xff', '\xff\xff']
    for (const [n, id] of ids.entries()) await store.addQueue(aQueue(n, { rcvId: id as never, sndId: id as never }))
    for (const [n, id] of ids.entries()) await store.writeMessage(id as never, aMessage(n))
    await store.flushed()
    for (const [n, id] of ids.entries()) {
      expect((await store.firstMessage(id as never))?.timestamp).toBe(aMessage(n).timestamp)
      expect(await store.queueSize(id as never)).toBe(1)
    }
    expect((await store.queues()).map((queue) => queue.rcvId).sort()).toEqual([...ids].sort())
  })

  it('changes keys, status and day of use, each without touching the rest', async () => {
    const store = await open()
    const queue = aQueue(1, { notifier: aNotifier(1) })
    await store.addQueue(queue)
    await store.secureQueue(rcvId(1), x25519(9))
    expect(await store.queue(rcvId(1))).toEqual({ ...queue, senderKey: x25519(9) })
    await store.flushed()
    await store.setRecipientKeys(rcvId(1), [ed448(1), ed25519(2)])
    await store.setStatus(rcvId(1), { type: 'off' })
    await store.touchQueue(rcvId(1), 20_001 * DAY)
    const changed = {
      ...queue,
      senderKey: x25519(9),
      recipientKeys: [ed448(1), ed25519(2)],
      status: { type: 'off' },
      updatedAt: 20_001 * DAY,
    }
    expect(await store.queueBySender(sndId(1))).toEqual(changed)
    await store.flushed()
    expect(await store.queueBySender(sndId(1))).toEqual(changed)
  })

  it.each([
    { type: 'active' },
    { type: 'off' },
    { type: 'blocked', reason: 'spam' },
    { type: 'blocked', reason: 'content' },
    { type: 'blocked', reason: 'spam', notice: {} },
    { type: 'blocked', reason: 'content', notice: { ttl: 0 } },
  ] as const)('keeps the status %j of a queue', async (status) => {
    const store = await open()
    await store.addQueue(aQueue(1))
    await store.setStatus(rcvId(1), status)
    await store.flushed()
    expect((await store.queue(rcvId(1)))?.status).toEqual(status)
  })

  it('keeps a queue without mode, day of use and keys of senders as it is', async () => {
    const store = await open()
    const { sndId, recipientKeys, rcvDhSecret, status } = aQueue(1)
    const old = { rcvId: rcvId(1), sndId, recipientKeys, rcvDhSecret, status }
    await store.addQueue(old)
    await store.flushed()
    expect(await store.queue(rcvId(1))).toEqual(old)
  })

  it('never changes a record that it gave out', async () => {
    const store = await open()
    await store.addQueue(aQueue(1, { notifier: aNotifier(1) }))
    const before = await store.queue(rcvId(1))
    await store.setStatus(rcvId(1), { type: 'off' })
    await store.deleteNotifier(rcvId(1))
    await store.deleteQueue(rcvId(1))
    expect(before).toEqual(aQueue(1, { notifier: aNotifier(1) }))
  })

  it('refuses to change a queue that does not exist', async () => {
    const store = await open()
    await expect(store.secureQueue(rcvId(1), ed25519(1))).rejects.toThrow('no such queue')
    await expect(store.writeMessage(rcvId(1), aMessage(1))).rejects.toThrow('no such queue')
    await expect(store.setNotifier(rcvId(1), aNotifier(1))).rejects.toThrow('no such queue')
    await expect(store.deleteLink(rcvId(1))).rejects.toThrow('no such queue')
  })
})

contract('links', (open) => {
  it('sets, replaces and deletes the data of a link', async () => {
    const store = await open()
    await store.addQueue(aQueue(1))
    expect(await store.setLink(rcvId(1), linkId(1), aLink(1))).toBe('ok')
    expect((await store.queue(rcvId(1)))?.linkId).toBe(linkId(1))
    await store.flushed()
    expect(await store.setLink(rcvId(1), linkId(1), aLink(2))).toBe('ok')
    expect(await store.linkData(linkId(1))).toEqual(aLink(2))
    await store.deleteLink(rcvId(1))
    expect(await store.linkData(linkId(1))).toBeUndefined()
    expect(await store.queueByLink(linkId(1))).toBeUndefined()
    expect(await store.queue(rcvId(1))).toEqual(aQueue(1))
    await store.deleteLink(rcvId(1))
    await store.flushed()
    expect(await store.queue(rcvId(1))).toEqual(aQueue(1))
  })

  it('refuses a link id of another queue', async () => {
    const store = await open()
    await store.addQueue(aQueue(1, { linkId: linkId(1) }), aLink(1))
    await store.addQueue(aQueue(2))
    expect(await store.setLink(rcvId(2), linkId(1), aLink(2))).toBe('taken')
    expect(await store.queue(rcvId(2))).toEqual(aQueue(2))
    expect(await store.linkData(linkId(1))).toEqual(aLink(1))
  })

  it('releases the previous link id of the queue', async () => {
    const store = await open()
    await store.addQueue(aQueue(1, { linkId: linkId(1) }), aLink(1))
    expect(await store.setLink(rcvId(1), linkId(2), aLink(2))).toBe('ok')
    expect(await store.queueByLink(linkId(1))).toBeUndefined()
    expect(await store.linkData(linkId(1))).toBeUndefined()
    expect((await store.queueByLink(linkId(2)))?.rcvId).toBe(rcvId(1))
  })

  it('keeps empty data of a link', async () => {
    const store = await open()
    await store.addQueue(aQueue(1, { linkId: linkId(1) }), { fixedData: Buffer.alloc(0), userData: Buffer.alloc(0) })
    await store.flushed()
    expect(await store.linkData(linkId(1))).toEqual({ fixedData: Buffer.alloc(0), userData: Buffer.alloc(0) })
  })
})

contract('deleting a queue', (open) => {
  it('takes everything that belongs to it along, and says how many messages there were', async () => {
    const store = await open()
    for (const again of [false, true]) {
      const n = again ? 2 : 1
      await store.addQueue(aQueue(n, { linkId: linkId(n), notifier: aNotifier(n) }), aLink(n))
      for (let i = 0; i < 5; i++) await store.writeMessage(rcvId(n), aMessage(i))
      await store.addNotification(notifierId(n), aNotification(1))
      if (again) await store.flushed()
      expect(await store.deleteQueue(rcvId(n))).toBe(5)
      if (again) await store.flushed()
      expect(await store.queue(rcvId(n))).toBeUndefined()
      expect(await store.queueBySender(sndId(n))).toBeUndefined()
      expect(await store.queueByNotifier(notifierId(n))).toBeUndefined()
      expect(await store.queueByLink(linkId(n))).toBeUndefined()
      expect(await store.linkData(linkId(n))).toBeUndefined()
      expect(await store.firstMessage(rcvId(n))).toBeUndefined()
      expect(await store.notifications(notifierId(n))).toEqual([])
      expect(await store.counts()).toMatchObject({ queues: 0, messages: 0, notifiers: 0, notifications: 0 })
    }
  })

  it('answers undefined when there is none', async () => {
    const store = await open()
    expect(await store.deleteQueue(rcvId(1))).toBeUndefined()
    await store.addQueue(aQueue(1))
    expect(await store.deleteQueue(rcvId(1))).toBe(0)
    expect(await store.deleteQueue(rcvId(1))).toBeUndefined()
  })

  it('keeps its recipient id and link id reserved', async () => {
    const store = await open()
    await store.addQueue(aQueue(1, { linkId: linkId(1) }), aLink(1))
    await store.deleteQueue(rcvId(1))
    expect(await store.addQueue(aQueue(1))).toBe('rcvId')
    expect(await store.addQueue(aQueue(2, { linkId: linkId(1) }), aLink(1))).toBe('linkId')
    expect(await store.addQueue(aQueue(2))).toBeUndefined()
    expect(await store.setLink(rcvId(2), linkId(1), aLink(1))).toBe('taken')
  })
})
