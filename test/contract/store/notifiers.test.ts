import { expect, it } from 'vitest'
import { contract } from './engines.ts'
import { aNotification, aNotifier, aQueue, ed448, notifierId, rcvId } from './fixtures.ts'

const q = rcvId(1)

contract('notifiers', (open) => {
  it('are set, replaced and deleted', async () => {
    const store = await open()
    await store.addQueue(aQueue(1))
    expect(await store.setNotifier(q, aNotifier(1))).toBe('ok')
    expect(await store.queueByNotifier(notifierId(1))).toEqual(aQueue(1, { notifier: aNotifier(1) }))
    await store.flushed()
    expect(await store.setNotifier(q, aNotifier(2))).toBe('ok')
    expect(await store.queueByNotifier(notifierId(1))).toBeUndefined()
    expect((await store.queue(q))?.notifier).toEqual(aNotifier(2))
    expect((await store.counts()).notifiers).toBe(1)
    expect(await store.deleteNotifier(q)).toEqual(aNotifier(2))
    expect(await store.deleteNotifier(q)).toBeUndefined()
    await store.flushed()
    expect(await store.queueByNotifier(notifierId(2))).toBeUndefined()
    expect(await store.queue(q)).toEqual(aQueue(1))
    expect((await store.counts()).notifiers).toBe(0)
  })

  it('cannot have the id of another notifier', async () => {
    const store = await open()
    await store.addQueue(aQueue(1, { notifier: aNotifier(1) }))
    await store.addQueue(aQueue(2, { notifier: aNotifier(2) }))
    expect(await store.setNotifier(rcvId(2), aNotifier(1))).toBe('taken')
    expect((await store.queue(rcvId(2)))?.notifier).toEqual(aNotifier(2))
  })

  it('may be given new keys under the same id, and keep what is pending', async () => {
    const store = await open()
    await store.addQueue(aQueue(1, { notifier: aNotifier(1) }))
    await store.addNotification(notifierId(1), aNotification(1))
    expect(await store.setNotifier(q, aNotifier(1, { key: ed448(5) }))).toBe('ok')
    expect((await store.queueByNotifier(notifierId(1)))?.notifier?.key).toEqual(ed448(5))
    expect(await store.notifications(notifierId(1))).toHaveLength(1)
    expect((await store.counts()).notifiers).toBe(1)
  })
})

contract('notifications', (open) => {
  it('are kept in order, and deleted from the oldest on', async () => {
    const store = await open()
    await store.addQueue(aQueue(1, { notifier: aNotifier(1) }))
    for (let n = 0; n < 10; n++) await store.addNotification(notifierId(1), aNotification(n))
    await store.flushed()
    for (let n = 10; n < 20; n++) await store.addNotification(notifierId(1), aNotification(n))
    const all = Array.from({ length: 20 }, (_, n) => aNotification(n))
    expect(await store.notifications(notifierId(1))).toEqual(all)
    expect(await store.notifications(notifierId(1), 12)).toEqual(all.slice(0, 12))
    await store.deleteNotifications(notifierId(1), 12)
    expect(await store.notifications(notifierId(1))).toEqual(all.slice(12))
    expect((await store.counts()).notifications).toBe(8)
    await store.flushed()
    await store.deleteNotifications(notifierId(1), 99)
    expect(await store.notifications(notifierId(1))).toEqual([])
    expect((await store.counts()).notifications).toBe(0)
  })

  it('for a notifier that does not exist are forgotten', async () => {
    const store = await open()
    await store.addNotification(notifierId(1), aNotification(1))
    expect(await store.notifications(notifierId(1))).toEqual([])
    expect((await store.counts()).notifications).toBe(0)
  })

  it('go with their notifier when it is deleted or replaced', async () => {
    const store = await open()
    await store.addQueue(aQueue(1, { notifier: aNotifier(1) }))
    await store.addNotification(notifierId(1), aNotification(1))
    await store.setNotifier(q, aNotifier(2))
    expect((await store.counts()).notifications).toBe(0)
    await store.addNotification(notifierId(2), aNotification(2))
    await store.deleteNotifier(q)
    expect((await store.counts()).notifications).toBe(0)
    await store.setNotifier(q, aNotifier(2))
    expect(await store.notifications(notifierId(2))).toEqual([])
  })
})
