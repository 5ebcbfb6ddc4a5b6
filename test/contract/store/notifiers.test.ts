import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { contract } from './engines.ts'
import { aNotification, aNotifier, aQueue, ed448, notifierId, rcvId } from './fixtures.ts'

const q = rcvId(1)

contract('notifiers', (open) => {
  it('are set, replaced and deleted', async () => {
    const store = open()
    store.addQueue(aQueue(1))
    expect(store.setNotifier(q, aNotifier(1))).toBe('ok')
    expect(store.queueByNotifier(notifierId(1))).toEqual(aQueue(1, { notifier: aNotifier(1) }))
    await store.flushed()
    expect(store.setNotifier(q, aNotifier(2))).toBe('ok')
    expect(store.queueByNotifier(notifierId(1))).toBeUndefined()
    expect(store.queue(q)?.notifier).toEqual(aNotifier(2))
    expect(store.counts().notifiers).toBe(1)
    expect(store.deleteNotifier(q)).toEqual(aNotifier(2))
    expect(store.deleteNotifier(q)).toBeUndefined()
    await store.flushed()
    expect(store.queueByNotifier(notifierId(2))).toBeUndefined()
    expect(store.queue(q)).toEqual(aQueue(1))
    expect(store.counts().notifiers).toBe(0)
  })

  it('cannot have the id of another notifier', () => {
    const store = open()
    store.addQueue(aQueue(1, { notifier: aNotifier(1) }))
    store.addQueue(aQueue(2, { notifier: aNotifier(2) }))
    expect(store.setNotifier(rcvId(2), aNotifier(1))).toBe('taken')
    expect(store.queue(rcvId(2))?.notifier).toEqual(aNotifier(2))
  })

  it('may be given new keys under the same id, and keep what is pending', () => {
    const store = open()
    store.addQueue(aQueue(1, { notifier: aNotifier(1) }))
    store.addNotification(notifierId(1), aNotification(1))
    expect(store.setNotifier(q, aNotifier(1, { key: ed448(5) }))).toBe('ok')
    expect(store.queueByNotifier(notifierId(1))?.notifier?.key).toEqual(ed448(5))
    expect(store.notifications(notifierId(1))).toHaveLength(1)
    expect(store.counts().notifiers).toBe(1)
  })
})

contract('notifications', (open) => {
  it('are kept in order, and deleted from the oldest on', async () => {
    const store = open()
    store.addQueue(aQueue(1, { notifier: aNotifier(1) }))
    for (let n = 0; n < 10; n++) store.addNotification(notifierId(1), aNotification(n))
    await store.flushed()
    for (let n = 10; n < 20; n++) store.addNotification(notifierId(1), aNotification(n))
    const all = Array.from({ length: 20 }, (_, n) => aNotification(n))
    expect(store.notifications(notifierId(1))).toEqual(all)
    expect(store.notifications(notifierId(1), 12)).toEqual(all.slice(0, 12))
    store.deleteNotifications(notifierId(1), 12)
    expect(store.notifications(notifierId(1))).toEqual(all.slice(12))
    expect(store.counts().notifications).toBe(8)
    await store.flushed()
    store.deleteNotifications(notifierId(1), 99)
    expect(store.notifications(notifierId(1))).toEqual([])
    expect(store.counts().notifications).toBe(0)
  })

  it('for a notifier that does not exist are forgotten', () => {
    const store = open()
    store.addNotification(notifierId(1), aNotification(1))
    expect(store.notifications(notifierId(1))).toEqual([])
    expect(store.counts().notifications).toBe(0)
  })

  it('go with their notifier when it is deleted or replaced', () => {
    const store = open()
    store.addQueue(aQueue(1, { notifier: aNotifier(1) }))
    store.addNotification(notifierId(1), aNotification(1))
    store.setNotifier(q, aNotifier(2))
    expect(store.counts().notifications).toBe(0)
    store.addNotification(notifierId(2), aNotification(2))
    store.deleteNotifier(q)
    expect(store.counts().notifications).toBe(0)
    store.setNotifier(q, aNotifier(2))
    expect(store.notifications(notifierId(2))).toEqual([])
  })

  it('with thousands of pending notifications are deleted at once, and their ids can be used again at once', async () => {
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
})
