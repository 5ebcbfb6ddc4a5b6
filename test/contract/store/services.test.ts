import { expect, it } from 'vitest'
import { idsHash } from '../../../src/crypto/ids-hash.ts'
import { idToBytes, type NotifierId, type RcvId } from '../../../src/protocol/ids.ts'
import type { ContractStore } from './contract-store.ts'
import { contract } from './engines.ts'
import { aNotifier, aQueue, aService, notifierId, rcvId, serviceId } from './fixtures.ts'

/** Services of messages (1, 2) and of notifications (3). */
async function withServices(opening: Promise<ContractStore>): Promise<ContractStore> {
  const store = await opening
  await store.addService(aService(1))
  await store.addService(aService(2))
  await store.addService(aService(3, { role: 'N' }))
  return store
}

const hashOf = (...ids: (RcvId | NotifierId)[]): Buffer => idsHash(ids.map(idToBytes))

contract('services', (open) => {
  it('are found by id and by the hash of their certificate', async () => {
    const store = await open()
    expect(await store.addService(aService(1))).toBe('ok')
    expect(await store.addService(aService(2, { role: 'N' }))).toBe('ok')
    await store.flushed()
    expect(await store.service(serviceId(1))).toEqual(aService(1))
    expect(await store.serviceByCertHash(Buffer.alloc(32, 2))).toEqual(aService(2, { role: 'N' }))
    expect(await store.service(serviceId(3))).toBeUndefined()
    expect(await store.serviceByCertHash(Buffer.alloc(32, 3))).toBeUndefined()
    expect(await store.services()).toEqual([aService(1), aService(2, { role: 'N' })])
    expect(await store.counts()).toMatchObject({ rcvServices: 1, ntfServices: 1 })
  })

  it('are added once, whoever asks again', async () => {
    const store = await open()
    await store.addService(aService(1))
    expect(await store.addService(aService(1, { certHash: Buffer.alloc(32, 9) }))).toBe('taken')
    expect(await store.addService(aService(9, { certHash: Buffer.alloc(32, 1) }))).toBe('taken')
    expect((await store.counts()).rcvServices).toBe(1)
  })
})

contract('services', (open) => {
  it('without an association are removed when it is asked for, and the others stay', async () => {
    const store = await open()
    await store.addService(aService(1))
    await store.addService(aService(2))
    await store.addQueue(aQueue(1, { rcvServiceId: serviceId(2) }))
    await store.removeUnusedServices()
    expect(await store.services()).toEqual([aService(2)])
    expect((await store.counts()).rcvServices).toBe(1)
  })
})

contract('queues of a service', (open) => {
  it('are counted and hashed: recipient ids apart from notifier ids', async () => {
    const store = await withServices(open())
    for (const n of [1, 2, 3]) await store.addQueue(aQueue(n, { notifier: aNotifier(n) }))
    await store.setQueueService(rcvId(1), 'R', serviceId(1))
    await store.setQueueService(rcvId(2), 'R', serviceId(1))
    await store.setQueueService(rcvId(3), 'N', serviceId(3))
    await store.flushed()
    expect(await store.serviceSubscriptions(serviceId(1), 'R')).toEqual({
      count: 2,
      idsHash: hashOf(rcvId(1), rcvId(2)),
    })
    expect(await store.serviceSubscriptions(serviceId(3), 'N')).toEqual({ count: 1, idsHash: hashOf(notifierId(3)) })
    expect((await store.serviceQueues(serviceId(1), 'R')).sort()).toEqual([rcvId(1), rcvId(2)])
    expect(await store.serviceQueues(serviceId(3), 'N')).toEqual([notifierId(3)])
    expect(await store.counts()).toMatchObject({ rcvServiceQueues: 2, ntfServiceQueues: 1 })
    expect((await store.queue(rcvId(1)))?.rcvServiceId).toBe(serviceId(1))
    expect((await store.queue(rcvId(3)))?.notifier?.serviceId).toBe(serviceId(3))
    expect((await store.queue(rcvId(3)))?.rcvServiceId).toBeUndefined()
  })

  it('of an unknown or unused service are none', async () => {
    const store = await withServices(open())
    expect(await store.serviceSubscriptions(serviceId(9), 'R')).toEqual({ count: 0, idsHash: Buffer.alloc(16) })
    expect(await store.serviceSubscriptions(serviceId(1), 'R')).toEqual({ count: 0, idsHash: Buffer.alloc(16) })
    expect(await store.serviceQueues(serviceId(1), 'R')).toEqual([])
  })

  it('may come with their service when they are added', async () => {
    const store = await withServices(open())
    await store.addQueue(aQueue(1, { rcvServiceId: serviceId(1), notifier: aNotifier(1, { serviceId: serviceId(3) }) }))
    expect((await store.serviceSubscriptions(serviceId(1), 'R')).count).toBe(1)
    expect((await store.serviceSubscriptions(serviceId(3), 'N')).count).toBe(1)
  })

  it('move from one service to another, and out of it', async () => {
    const store = await withServices(open())
    await store.addQueue(aQueue(1))
    await store.setQueueService(rcvId(1), 'R', serviceId(1))
    await store.flushed()
    await store.setQueueService(rcvId(1), 'R', serviceId(1))
    expect((await store.serviceSubscriptions(serviceId(1), 'R')).count).toBe(1)
    await store.setQueueService(rcvId(1), 'R', serviceId(2))
    expect(await store.serviceSubscriptions(serviceId(1), 'R')).toEqual({ count: 0, idsHash: Buffer.alloc(16) })
    expect(await store.serviceSubscriptions(serviceId(2), 'R')).toEqual({ count: 1, idsHash: hashOf(rcvId(1)) })
    await store.setQueueService(rcvId(1), 'R', undefined)
    await store.flushed()
    expect(await store.serviceSubscriptions(serviceId(2), 'R')).toEqual({ count: 0, idsHash: Buffer.alloc(16) })
    expect(await store.serviceQueues(serviceId(2), 'R')).toEqual([])
    expect(await store.queue(rcvId(1))).toEqual(aQueue(1))
    expect((await store.counts()).rcvServiceQueues).toBe(0)
  })

  it('need a notifier to belong to a notification service', async () => {
    const store = await withServices(open())
    await store.addQueue(aQueue(1))
    await store.setQueueService(rcvId(1), 'N', serviceId(3))
    expect((await store.serviceSubscriptions(serviceId(3), 'N')).count).toBe(0)
    expect(await store.queue(rcvId(1))).toEqual(aQueue(1))
  })

  it('leave it when they, or their notifier, are deleted or replaced', async () => {
    const store = await withServices(open())
    for (const n of [1, 2, 3]) {
      await store.addQueue(
        aQueue(n, { rcvServiceId: serviceId(1), notifier: aNotifier(n, { serviceId: serviceId(3) }) }),
      )
    }
    await store.deleteQueue(rcvId(1))
    expect(await store.serviceSubscriptions(serviceId(1), 'R')).toEqual({
      count: 2,
      idsHash: hashOf(rcvId(2), rcvId(3)),
    })
    expect((await store.serviceSubscriptions(serviceId(3), 'N')).idsHash).toEqual(hashOf(notifierId(2), notifierId(3)))
    await store.deleteNotifier(rcvId(2))
    await store.setNotifier(rcvId(3), aNotifier(4))
    expect(await store.serviceSubscriptions(serviceId(3), 'N')).toEqual({ count: 0, idsHash: Buffer.alloc(16) })
    expect(await store.counts()).toMatchObject({ rcvServiceQueues: 2, ntfServiceQueues: 0 })
  })
})
