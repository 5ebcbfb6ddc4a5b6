import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { idsHash } from '../../src/crypto/ids-hash.ts'
import {
  idToBytes,
  type LinkId,
  type NotifierId,
  type RcvId,
  type ServiceId,
  type SndId,
} from '../../src/protocol/ids.ts'
import { openLmdbStore } from '../../src/store/lmdb.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Message, QueueRec, Store } from '../../src/store/store.ts'
import { aMessage, aNotification, aNotifier, aQueue } from '../contract/store/fixtures.ts'

// Random calls against a store and against a model that is as plain as can be: the records in one array.

const QUOTA = 3
const ID = fc.integer({ min: 0, max: 4 })
const rcv = (n: number): RcvId => `r${n}` as RcvId
const snd = (n: number): SndId => `s${n}` as SndId
const ntf = (n: number): NotifierId => `n${n}` as NotifierId
const lnk = (n: number): LinkId => `l${n}` as LinkId
const svc = (n: number): ServiceId => `v${n}` as ServiceId

interface ModelQueue {
  queue: QueueRec
  link: number | undefined
  messages: Message[]
  open: boolean
  notifications: number[]
}

interface Model {
  queues: ModelQueue[]
  reserved: Set<string>
}

type Step = (model: Model, store: Store) => void

const find = (model: Model, n: number): ModelQueue | undefined => model.queues.find((q) => q.queue.rcvId === rcv(n))

function without<T extends object>(value: T, key: keyof T): T {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key)) as T
}

function linkOf(n: number): { fixedData: Buffer; userData: Buffer } {
  return { fixedData: Buffer.from([n]), userData: Buffer.from([n, n]) }
}

const add = fc
  .record({ id: ID, sender: ID, link: fc.option(ID), notifier: fc.option(ID), service: fc.option(ID) })
  .map(({ id, sender, link, notifier, service }): Step => {
    return (model, store) => {
      const queue = aQueue(id, {
        rcvId: rcv(id),
        sndId: snd(sender),
        ...(link !== null && { linkId: lnk(link) }),
        ...(notifier !== null && { notifier: aNotifier(1, { notifierId: ntf(notifier) }) }),
        ...(service !== null && { rcvServiceId: svc(service) }),
      })
      const { queues, reserved } = model
      const taken =
        find(model, id) !== undefined || reserved.has(rcv(id))
          ? 'rcvId'
          : queues.some((q) => q.queue.sndId === snd(sender))
            ? 'sndId'
            : notifier !== null && queues.some((q) => q.queue.notifier?.notifierId === ntf(notifier))
              ? 'notifierId'
              : link !== null && (queues.some((q) => q.queue.linkId === lnk(link)) || reserved.has(lnk(link)))
                ? 'linkId'
                : undefined
      expect(store.addQueue(queue, link === null ? undefined : linkOf(link))).toBe(taken)
      if (taken !== undefined) return
      queues.push({ queue, link: link ?? undefined, messages: [], open: true, notifications: [] })
    }
  })

const remove = ID.map((n): Step => {
  return (model, store) => {
    const found = find(model, n)
    expect(store.deleteQueue(rcv(n))).toBe(found?.messages.length)
    if (found === undefined) return
    model.queues = model.queues.filter((q) => q !== found)
    model.reserved.add(rcv(n))
    if (found.queue.linkId !== undefined) model.reserved.add(found.queue.linkId)
  }
})

/** A step on a queue that exists; on others it does nothing. */
function onQueue<T>(parameter: fc.Arbitrary<T>, step: (model: Model, store: Store, q: ModelQueue, value: T) => void) {
  return fc.tuple(ID, parameter).map(([n, value]): Step => {
    return (model, store) => {
      const q = find(model, n)
      if (q !== undefined) step(model, store, q, value)
    }
  })
}

const write = onQueue(fc.nat(50), (_model, store, q, n) => {
  const message = aMessage(n)
  const wasEmpty = q.messages.length === 0
  const result = store.writeMessage(q.queue.rcvId, message)
  if (!q.open && !wasEmpty) expect(result).toEqual({ stored: false })
  else if (q.messages.length < QUOTA) {
    expect(result).toEqual({ stored: true, wasEmpty })
    q.messages.push(message)
    q.open = true
  } else {
    expect(result).toEqual({ stored: false })
    q.messages.push({ type: 'quota', id: message.id, timestamp: message.timestamp })
    q.open = false
  }
})

const acknowledge = onQueue(fc.nat(50), (_model, store, q, n) => {
  const first = q.messages[0]
  const id = n < 40 && first !== undefined ? first.id : aMessage(n).id
  const deleted = first?.id === id ? q.messages.shift() : undefined
  expect(store.deleteFirstMessage(q.queue.rcvId, id)).toEqual(deleted)
})

const expire = onQueue(fc.nat(50), (_model, store, q, n) => {
  const before = aMessage(n).timestamp
  let expired = 0
  while (q.messages[0]?.type === 'message' && q.messages[0].timestamp < before) {
    q.messages.shift()
    expired++
  }
  expect(store.expireMessages(q.queue.rcvId, before)).toBe(expired)
})

const setLink = onQueue(ID, (model, store, q, n) => {
  const other = model.queues.some((each) => each !== q && each.queue.linkId === lnk(n))
  const taken = other || (q.queue.linkId !== lnk(n) && model.reserved.has(lnk(n)))
  expect(store.setLink(q.queue.rcvId, lnk(n), linkOf(n + 1))).toBe(taken ? 'taken' : 'ok')
  if (taken) return
  q.queue = { ...q.queue, linkId: lnk(n) }
  q.link = n + 1
})

const deleteLink = onQueue(fc.constant(0), (_model, store, q) => {
  store.deleteLink(q.queue.rcvId)
  q.queue = without(q.queue, 'linkId')
  q.link = undefined
})

const setNotifier = onQueue(fc.tuple(ID, fc.option(ID)), (model, store, q, [n, service]) => {
  const notifier = aNotifier(2, { notifierId: ntf(n), ...(service !== null && { serviceId: svc(service) }) })
  const taken = model.queues.some((each) => each !== q && each.queue.notifier?.notifierId === ntf(n))
  expect(store.setNotifier(q.queue.rcvId, notifier)).toBe(taken ? 'taken' : 'ok')
  if (taken) return
  if (q.queue.notifier?.notifierId !== ntf(n)) q.notifications = []
  q.queue = { ...q.queue, notifier }
})

const deleteNotifier = onQueue(fc.constant(0), (_model, store, q) => {
  expect(store.deleteNotifier(q.queue.rcvId)).toEqual(q.queue.notifier)
  q.queue = without(q.queue, 'notifier')
  q.notifications = []
})

const notify = onQueue(fc.nat(50), (_model, store, q, n) => {
  const { notifier } = q.queue
  if (notifier === undefined) return
  store.addNotification(notifier.notifierId, aNotification(n))
  q.notifications.push(n)
})

const forward = onQueue(fc.nat(3), (_model, store, q, count) => {
  const { notifier } = q.queue
  if (notifier === undefined) return
  store.deleteNotifications(notifier.notifierId, count)
  q.notifications.splice(0, count)
})

const associate = onQueue(
  fc.tuple(fc.constantFrom('R' as const, 'N' as const), fc.option(ID)),
  (_m, store, q, value) => {
    const [party, n] = value
    const serviceId = n === null ? undefined : svc(n)
    store.setQueueService(q.queue.rcvId, party, serviceId)
    const { notifier } = q.queue
    if (party === 'R') q.queue = { ...without(q.queue, 'rcvServiceId'), ...(serviceId && { rcvServiceId: serviceId }) }
    else if (notifier) {
      q.queue = { ...q.queue, notifier: { ...without(notifier, 'serviceId'), ...(serviceId && { serviceId }) } }
    }
  },
)

const touch = onQueue(fc.nat(9), (_model, store, q, n) => {
  store.touchQueue(q.queue.rcvId, n * 86_400)
  store.setStatus(q.queue.rcvId, { type: 'off' })
  q.queue = { ...q.queue, updatedAt: n * 86_400, status: { type: 'off' } }
})

const step = fc.oneof(
  { arbitrary: add, weight: 4 },
  remove,
  { arbitrary: write, weight: 6 },
  { arbitrary: acknowledge, weight: 4 },
  expire,
  setLink,
  deleteLink,
  setNotifier,
  deleteNotifier,
  { arbitrary: notify, weight: 2 },
  forward,
  associate,
  touch,
)

/** What happens after a step: nothing, a turn of the event loop, all made durable, the store opened again. */
const pause = fc.constantFrom('none', 'none', 'none', 'turn', 'flush', 'reopen')

function expectSame(model: Model, store: Store): void {
  const { queues } = model
  for (let n = 0; n <= 4; n++) {
    const q = find(model, n)
    expect(store.queue(rcv(n))).toEqual(q?.queue)
    expect([...store.messages(rcv(n))]).toEqual(q?.messages ?? [])
    expect(store.queueSize(rcv(n))).toBe(q?.messages.length ?? 0)
    expect(store.queueBySender(snd(n))).toEqual(queues.find((each) => each.queue.sndId === snd(n))?.queue)
    const linked = queues.find((each) => each.queue.linkId === lnk(n))
    expect(store.queueByLink(lnk(n))).toEqual(linked?.queue)
    expect(store.linkData(lnk(n))).toEqual(linked?.link === undefined ? undefined : linkOf(linked.link))
    const notified = queues.find((each) => each.queue.notifier?.notifierId === ntf(n))
    expect(store.queueByNotifier(ntf(n))).toEqual(notified?.queue)
    expect(store.notifications(ntf(n))).toEqual(notified?.notifications.map((each) => aNotification(each)) ?? [])
    const rcvIds = queues.filter((each) => each.queue.rcvServiceId === svc(n)).map((each) => each.queue.rcvId)
    const ntfIds = queues.flatMap(({ queue: { notifier } }) =>
      notifier?.serviceId === svc(n) ? [notifier.notifierId] : [],
    )
    expect([...store.serviceQueues(svc(n), 'R')].sort()).toEqual(rcvIds.sort())
    expect([...store.serviceQueues(svc(n), 'N')].sort()).toEqual(ntfIds.sort())
    const subscriptions = { count: rcvIds.length, idsHash: idsHash(rcvIds.map(idToBytes)) }
    expect(store.serviceSubscriptions(svc(n), 'R')).toEqual(subscriptions)
    expect(store.serviceSubscriptions(svc(n), 'N').count).toBe(ntfIds.length)
  }
  expect([...store.queues()].map((queue) => queue.rcvId).sort()).toEqual(queues.map((q) => q.queue.rcvId).sort())
  expect(store.counts()).toEqual({
    queues: queues.length,
    messages: queues.reduce((sum, q) => sum + q.messages.length, 0),
    notifications: queues.reduce((sum, q) => sum + q.notifications.length, 0),
    notifiers: queues.filter((q) => q.queue.notifier !== undefined).length,
    rcvServices: 0,
    ntfServices: 0,
    rcvServiceQueues: queues.filter((q) => q.queue.rcvServiceId !== undefined).length,
    ntfServiceQueues: queues.filter((q) => q.queue.notifier?.serviceId !== undefined).length,
  })
}

describe('whatever is done to a store', () => {
  it.each(['memory', 'lmdb'] as const)('it is what a plain model is (%s)', { timeout: 300_000 }, async (engine) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(step, pause), { maxLength: 120 }), async (steps) => {
        const directory = mkdtempSync(join(tmpdir(), 'smp-model-'))
        const openStore = (): Store =>
          engine === 'memory' ? openMemoryStore({ quota: QUOTA }) : openLmdbStore(directory, { quota: QUOTA })
        let store = openStore()
        const model: Model = { queues: [], reserved: new Set() }
        try {
          for (const [run, after] of steps) {
            run(model, store)
            if (after === 'turn') await new Promise((resolve) => setImmediate(resolve))
            if (after === 'flush') await store.flushed()
            if (after === 'reopen' && engine === 'lmdb') {
              await store.close()
              store = openStore()
              model.reserved.clear()
            }
          }
          expectSame(model, store)
          await store.flushed()
          expectSame(model, store)
        } finally {
          await store.close()
          rmSync(directory, { recursive: true })
        }
      }),
      { numRuns: engine === 'memory' ? 200 : 60 },
    )
  })
})
