import { expect, it } from 'vitest'
import { idsHash } from '../../../src/crypto/ids-hash.ts'
import { idToBytes, type NotifierId, type RcvId } from '../../../src/protocol/ids.ts'
import { contract } from './engines.ts'
import { aNotifier, aQueue, aService, notifierId, rcvId, serviceId } from './fixtures.ts'

const hashOf = (...ids: (RcvId | NotifierId)[]): Buffer => idsHash(ids.map(idToBytes))

contract('services', (open) => {
  it('are found by id and by the hash of their certificate', async () => {
    const store = open()
    expect(store.addService(aService(1))).toBe('ok')
    expect(store.addService(aService(2, { role: 'N' }))).toBe('ok')
    await store.flushed()
    expect(store.service(serviceId(1))).toEqual(aService(1))
    expect(store.serviceByCertHash(Buffer.alloc(32, 2))).toEqual(aService(2, { role: 'N' }))
    expect(store.service(serviceId(3))).toBeUndefined()
    expect(store.serviceByCertHash(Buffer.alloc(32, 3))).toBeUndefined()
    expect([...store.services()]).toEqual([aService(1), aService(2, { role: 'N' })])
    expect(store.counts()).toMatchObject({ rcvServices: 1, ntfServices: 1 })
  })

  it('are added once', () => {
    const store = open()
    store.addService(aService(1))
    expect(store.addService(aService(1, { certHash: Buffer.alloc(32, 9) }))).toBe('taken')
    expect(store.addService(aService(9, { certHash: Buffer.alloc(32, 1) }))).toBe('taken')
    expect(store.counts().rcvServices).toBe(1)
  })
})

contract('services', (open) => {
  it('are removed with their last association, of queues and of notifiers, and can be added again', async () => {
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

  it('without an association are removed when it is asked for, and the others stay', async () => {
    const store = open()
    store.addService(aService(1))
    store.addService(aService(2))
    store.addQueue(aQueue(1, { rcvServiceId: serviceId(2) }))
    await store.removeUnusedServices()
    expect([...store.services()]).toEqual([aService(2)])
    expect(store.counts().rcvServices).toBe(1)
  })
})

contract('queues of a service', (open) => {
  it('are counted and hashed: recipient ids apart from notifier ids', async () => {
    const store = open()
    store.addService(aService(1))
    for (const n of [1, 2, 3]) store.addQueue(aQueue(n, { notifier: aNotifier(n) }))
    store.setQueueService(rcvId(1), 'R', serviceId(1))
    store.setQueueService(rcvId(2), 'R', serviceId(1))
    store.setQueueService(rcvId(3), 'N', serviceId(1))
    await store.flushed()
    expect(store.serviceSubscriptions(serviceId(1), 'R')).toEqual({ count: 2, idsHash: hashOf(rcvId(1), rcvId(2)) })
    expect(store.serviceSubscriptions(serviceId(1), 'N')).toEqual({ count: 1, idsHash: hashOf(notifierId(3)) })
    expect([...store.serviceQueues(serviceId(1), 'R')].sort()).toEqual([rcvId(1), rcvId(2)])
    expect([...store.serviceQueues(serviceId(1), 'N')]).toEqual([notifierId(3)])
    expect(store.counts()).toMatchObject({ rcvServiceQueues: 2, ntfServiceQueues: 1 })
    expect(store.queue(rcvId(1))?.rcvServiceId).toBe(serviceId(1))
    expect(store.queue(rcvId(3))?.notifier?.serviceId).toBe(serviceId(1))
    expect(store.queue(rcvId(3))?.rcvServiceId).toBeUndefined()
  })

  it('of an unknown or unused service are none', () => {
    const store = open()
    expect(store.serviceSubscriptions(serviceId(1), 'R')).toEqual({ count: 0, idsHash: Buffer.alloc(16) })
    expect([...store.serviceQueues(serviceId(1), 'R')]).toEqual([])
  })

  it('may come with their service when they are added', () => {
    const store = open()
    store.addQueue(aQueue(1, { rcvServiceId: serviceId(1), notifier: aNotifier(1, { serviceId: serviceId(2) }) }))
    expect(store.serviceSubscriptions(serviceId(1), 'R').count).toBe(1)
    expect(store.serviceSubscriptions(serviceId(2), 'N').count).toBe(1)
  })

  it('move from one service to another, and out of it', async () => {
    const store = open()
    store.addQueue(aQueue(1))
    store.setQueueService(rcvId(1), 'R', serviceId(1))
    await store.flushed()
    store.setQueueService(rcvId(1), 'R', serviceId(1))
    expect(store.serviceSubscriptions(serviceId(1), 'R').count).toBe(1)
    store.setQueueService(rcvId(1), 'R', serviceId(2))
    expect(store.serviceSubscriptions(serviceId(1), 'R')).toEqual({ count: 0, idsHash: Buffer.alloc(16) })
    expect(store.serviceSubscriptions(serviceId(2), 'R')).toEqual({ count: 1, idsHash: hashOf(rcvId(1)) })
    store.setQueueService(rcvId(1), 'R', undefined)
    await store.flushed()
    expect(store.serviceSubscriptions(serviceId(2), 'R')).toEqual({ count: 0, idsHash: Buffer.alloc(16) })
    expect([...store.serviceQueues(serviceId(2), 'R')]).toEqual([])
    expect(store.queue(rcvId(1))).toEqual(aQueue(1))
    expect(store.counts().rcvServiceQueues).toBe(0)
  })

  it('need a notifier to belong to a notification service', () => {
    const store = open()
    store.addQueue(aQueue(1))
    store.setQueueService(rcvId(1), 'N', serviceId(1))
    expect(store.serviceSubscriptions(serviceId(1), 'N').count).toBe(0)
    expect(store.queue(rcvId(1))).toEqual(aQueue(1))
  })

  it('leave it when they, or their notifier, are deleted or replaced', () => {
    const store = open()
    for (const n of [1, 2, 3]) {
      store.addQueue(aQueue(n, { rcvServiceId: serviceId(1), notifier: aNotifier(n, { serviceId: serviceId(2) }) }))
    }
    store.deleteQueue(rcvId(1))
    expect(store.serviceSubscriptions(serviceId(1), 'R')).toEqual({ count: 2, idsHash: hashOf(rcvId(2), rcvId(3)) })
    expect(store.serviceSubscriptions(serviceId(2), 'N').idsHash).toEqual(hashOf(notifierId(2), notifierId(3)))
    store.deleteNotifier(rcvId(2))
    store.setNotifier(rcvId(3), aNotifier(4))
    expect(store.serviceSubscriptions(serviceId(2), 'N')).toEqual({ count: 0, idsHash: Buffer.alloc(16) })
    expect(store.counts()).toMatchObject({ rcvServiceQueues: 2, ntfServiceQueues: 0 })
  })

  it('are walked lazily, while some of them leave', async () => {
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
})
