import { expect, it } from 'vitest'
import type { Store } from '../../../src/store/store.ts'
import { contract } from './engines.ts'
import { aMessage, aNotification, aNotifier, aQueue, marker, msgId, notifierId, rcvId } from './fixtures.ts'

const q = rcvId(1)
const stored = (wasEmpty: boolean): unknown => ({ stored: true, wasEmpty })
const refused = { stored: false }

function withQueue(store: Store): Store {
  store.addQueue(aQueue(1))
  return store
}

contract('messages', (open) => {
  it('come out in the order in which they were written, byte for byte', async () => {
    const store = withQueue(open())
    for (let n = 0; n < 100; n++) expect(store.writeMessage(q, aMessage(n))).toEqual(stored(n === 0))
    for (let n = 0; n < 100; n++) {
      if (n % 7 === 0) await store.flushed()
      expect(store.firstMessage(q)).toEqual(aMessage(n))
      expect(store.deleteFirstMessage(q, msgId(n))).toEqual(aMessage(n))
    }
    expect(store.firstMessage(q)).toBeUndefined()
  })

  it('say whether the queue was empty before', async () => {
    const store = withQueue(open())
    expect(store.writeMessage(q, aMessage(1))).toEqual(stored(true))
    await store.flushed()
    expect(store.writeMessage(q, aMessage(2))).toEqual(stored(false))
    store.deleteFirstMessage(q, msgId(1))
    store.deleteFirstMessage(q, msgId(2))
    expect(store.writeMessage(q, aMessage(3))).toEqual(stored(true))
  })

  it.each([0, 1, 5000, 16_048, 70_000])('may have a body of %i bytes', async (length) => {
    const store = withQueue(open())
    const message = aMessage(1, { body: Buffer.alloc(length, 0xa5) })
    store.writeMessage(q, message)
    await store.flushed()
    for (let n = 0; n < 600; n++) store.writeMessage(q, aMessage(2))
    await store.flushed()
    expect(store.firstMessage(q)).toEqual(message)
  })

  it('are deleted only by the id of the first one', async () => {
    const store = withQueue(open())
    store.writeMessage(q, aMessage(1))
    store.writeMessage(q, aMessage(2))
    expect(store.deleteFirstMessage(q, msgId(2))).toBeUndefined()
    await store.flushed()
    expect(store.deleteFirstMessage(q, msgId(2))).toBeUndefined()
    expect(store.queueSize(q)).toBe(2)
    expect(store.deleteFirstMessage(q, msgId(1))).toEqual(aMessage(1))
    expect(store.deleteFirstMessage(q, msgId(1))).toBeUndefined()
    expect(store.queueSize(q)).toBe(1)
  })

  it('cannot be found in a queue that is not there', () => {
    const store = open()
    expect(store.firstMessage(q)).toBeUndefined()
    expect(store.deleteFirstMessage(q, msgId(1))).toBeUndefined()
    expect(store.queueSize(q)).toBe(0)
    expect([...store.messages(q)]).toEqual([])
  })

  it('of one queue do not show in another', async () => {
    const store = withQueue(open())
    store.addQueue(aQueue(2))
    store.writeMessage(q, aMessage(1))
    store.writeMessage(rcvId(2), aMessage(2))
    await store.flushed()
    expect([...store.messages(q)]).toEqual([aMessage(1)])
    expect([...store.messages(rcvId(2))]).toEqual([aMessage(2)])
  })

  it('are counted, the marker included', async () => {
    const store = withQueue(open({ quota: 2 }))
    store.addQueue(aQueue(2))
    for (let n = 1; n <= 4; n++) store.writeMessage(q, aMessage(n))
    store.writeMessage(rcvId(2), aMessage(5))
    await store.flushed()
    expect(store.counts().messages).toBe(4)
    expect(store.queueSize(q)).toBe(3)
    store.deleteFirstMessage(q, msgId(1))
    expect(store.counts().messages).toBe(3)
  })
})

contract('quota', (open) => {
  it('puts a marker in the place of the message that is one too many, and then takes nothing', async () => {
    const store = withQueue(open({ quota: 2 }))
    expect(store.writeMessage(q, aMessage(1))).toEqual(stored(true))
    expect(store.writeMessage(q, aMessage(2))).toEqual(stored(false))
    expect(store.writeMessage(q, aMessage(3))).toEqual(refused)
    await store.flushed()
    expect(store.writeMessage(q, aMessage(4))).toEqual(refused)
    expect([...store.messages(q)]).toEqual([aMessage(1), aMessage(2), marker(3)])
  })

  it('stays closed until the marker too has been received', async () => {
    const store = withQueue(open({ quota: 2 }))
    for (let n = 1; n <= 3; n++) store.writeMessage(q, aMessage(n))
    store.deleteFirstMessage(q, msgId(1))
    expect(store.writeMessage(q, aMessage(4))).toEqual(refused)
    store.deleteFirstMessage(q, msgId(2))
    await store.flushed()
    expect(store.writeMessage(q, aMessage(5))).toEqual(refused)
    expect(store.queueSize(q)).toBe(1)
    expect(store.deleteFirstMessage(q, msgId(3))).toEqual(marker(3))
    expect(store.writeMessage(q, aMessage(6))).toEqual(stored(true))
    expect([...store.messages(q)]).toEqual([aMessage(6)])
  })

  it('leaves room as long as the queue has not been full', () => {
    const store = withQueue(open({ quota: 2 }))
    for (let n = 1; n <= 20; n++) {
      expect(store.writeMessage(q, aMessage(n))).toEqual(stored(n === 1))
      if (n > 1) store.deleteFirstMessage(q, msgId(n - 1))
    }
  })

  it('holds 128 messages and a marker by default of the relay', () => {
    const store = withQueue(open({ quota: 128 }))
    for (let n = 1; n <= 128; n++) expect(store.writeMessage(q, aMessage(n))).toMatchObject({ stored: true })
    expect(store.writeMessage(q, aMessage(129))).toEqual(refused)
    expect(store.queueSize(q)).toBe(129)
    expect(store.writeMessage(q, aMessage(130))).toEqual(refused)
    expect(store.queueSize(q)).toBe(129)
  })

  it('closes a queue with a restored marker', async () => {
    const store = withQueue(open({ quota: 5 }))
    store.writeMessage(q, aMessage(1))
    store.restoreMarker(q, { type: 'quota', id: msgId(2), timestamp: 5 })
    await store.flushed()
    expect(store.writeMessage(q, aMessage(3))).toEqual(refused)
    expect([...store.messages(q)].map(({ type }) => type)).toEqual(['message', 'quota'])
  })

  it('lets a restored marker take the place of one at the head', () => {
    const store = withQueue(open({ quota: 1 }))
    store.restoreMarker(q, { type: 'quota', id: msgId(1), timestamp: 4 })
    store.restoreMarker(q, { type: 'quota', id: msgId(2), timestamp: 5 })
    expect([...store.messages(q)]).toEqual([{ type: 'quota', id: msgId(2), timestamp: 5 }])
    expect(store.writeMessage(q, aMessage(3))).toEqual(refused)
    store.deleteFirstMessage(q, msgId(2))
    expect(store.writeMessage(q, aMessage(3))).toEqual(stored(true))
    expect(store.counts().messages).toBe(1)
  })
})

contract('all messages', (open) => {
  it('can be dropped, markers and notifications too; the queues stay and take messages again', async () => {
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
})
