import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { Client } from 'pg'
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
import type { PostgresOptions } from '../../src/store/postgres.ts'
import type { PostgresStore } from '../../src/store/postgres/postgres-store.ts'
import type { Message, QueueRec, StoreCounts } from '../../src/store/store.ts'
import type { StoreWalks, WalkedMessage, WalkedQueue } from '../../src/store/walks.ts'
import type { EmbeddedStore, Needs, QueueNeed, Work } from '../../src/store/work.ts'
import { aMessage, aNotification, aNotifier, aQueue, aService } from '../contract/store/fixtures.ts'
import { openTestDatabase } from '../postgres/store.ts'

// Random calls against a store and against a model that is as plain as can be: the records in one array.

const QUOTA = 3
const ID = fc.integer({ min: 0, max: 2 })
const rcv = (n: number): RcvId => `r${n}` as RcvId
const snd = (n: number): SndId => `s${n}` as SndId
const ntf = (n: number): NotifierId => `n${n}` as NotifierId
const lnk = (n: number): LinkId => `l${n}` as LinkId
/** Services of messages and of notifications. */
const svc = (n: number): ServiceId => `v${n}` as ServiceId
const ntfSvc = (n: number): ServiceId => `w${n}` as ServiceId
const NUMBERS = [0, 1, 2]

interface ModelQueue {
  queue: QueueRec
  link: number | undefined
  messages: Message[]
  open: boolean
  notifications: number[]
  /** It was there before the present unit of work. */
  stored: boolean
}

interface Model {
  queues: ModelQueue[]
  reserved: Set<string>
  /** All ids of a deleted queue stay reserved, also when the store is opened again. */
  readonly forever: boolean
  /** How many there are of each role. */
  readonly services: number
  /** Ids of queues that the present unit of work has both made and deleted: nobody else has seen them. */
  unseen: string[]
}

type Step = (model: Model, store: Work) => void

/** What can be seen of a store. */
interface View {
  readonly work: Work
  readonly messages: (rcvId: RcvId) => Message[]
  readonly serviceQueues: (serviceId: ServiceId, party: 'R' | 'N') => string[]
  readonly queues: string[]
  readonly counts: StoreCounts
}

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
          : queues.some((q) => q.queue.sndId === snd(sender)) || reserved.has(snd(sender))
            ? 'sndId'
            : notifier !== null && queues.some((q) => q.queue.notifier?.notifierId === ntf(notifier))
              ? 'notifierId'
              : link !== null && (queues.some((q) => q.queue.linkId === lnk(link)) || reserved.has(lnk(link)))
                ? 'linkId'
                : undefined
      expect(store.addQueue(queue, link === null ? undefined : linkOf(link))).toBe(taken)
      if (taken !== undefined) return
      queues.push({ queue, link: link ?? undefined, messages: [], open: true, notifications: [], stored: false })
    }
  })

const remove = ID.map((n): Step => {
  return (model, store) => {
    const found = find(model, n)
    expect(store.deleteQueue(rcv(n))).toBe(found?.messages.length)
    if (found === undefined) return
    model.queues = model.queues.filter((q) => q !== found)
    const { rcvId, sndId, linkId } = found.queue
    const ids = [rcvId, linkId, ...(model.forever ? [sndId] : [])].filter((id) => id !== undefined)
    for (const id of ids) model.reserved.add(id)
    if (!found.stored) model.unseen.push(...ids)
  }
})

/** A step on a queue that exists; on others it does nothing. */
function onQueue<T>(parameter: fc.Arbitrary<T>, step: (model: Model, store: Work, q: ModelQueue, value: T) => void) {
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
  const notifier = aNotifier(2, { notifierId: ntf(n), ...(service !== null && { serviceId: ntfSvc(service) }) })
  const taken =
    model.queues.some((each) => each !== q && each.queue.notifier?.notifierId === ntf(n)) || model.reserved.has(ntf(n))
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
    const serviceId = n === null ? undefined : party === 'R' ? svc(n) : ntfSvc(n)
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

function expectSame(model: Model, { work, messages, serviceQueues, queues: seen, counts }: View): void {
  const { queues } = model
  for (const n of NUMBERS) {
    const q = find(model, n)
    expect(work.queue(rcv(n))).toEqual(q?.queue)
    expect(messages(rcv(n))).toEqual(q?.messages ?? [])
    expect(work.firstMessage(rcv(n))).toEqual(q?.messages[0])
    expect(work.queueSize(rcv(n))).toBe(q?.messages.length ?? 0)
    expect(work.queueBySender(snd(n))).toEqual(queues.find((each) => each.queue.sndId === snd(n))?.queue)
    const linked = queues.find((each) => each.queue.linkId === lnk(n))
    expect(work.queueByLink(lnk(n))).toEqual(linked?.queue)
    expect(work.linkData(lnk(n))).toEqual(linked?.link === undefined ? undefined : linkOf(linked.link))
    const notified = queues.find((each) => each.queue.notifier?.notifierId === ntf(n))
    expect(work.queueByNotifier(ntf(n))).toEqual(notified?.queue)
    expect(work.notifications(ntf(n))).toEqual(notified?.notifications.map((each) => aNotification(each)) ?? [])
    const rcvIds = queues.filter((each) => each.queue.rcvServiceId === svc(n)).map((each) => each.queue.rcvId)
    const ntfIds = queues.flatMap(({ queue: { notifier } }) =>
      notifier?.serviceId === ntfSvc(n) ? [notifier.notifierId] : [],
    )
    expect(serviceQueues(svc(n), 'R').sort()).toEqual(rcvIds.sort())
    expect(serviceQueues(ntfSvc(n), 'N').sort()).toEqual(ntfIds.sort())
    const subscriptions = { count: rcvIds.length, idsHash: idsHash(rcvIds.map(idToBytes)) }
    expect(work.serviceSubscriptions(svc(n), 'R')).toEqual(subscriptions)
    expect(work.serviceSubscriptions(ntfSvc(n), 'N').count).toBe(ntfIds.length)
  }
  expect(seen.sort()).toEqual(queues.map((q) => q.queue.rcvId).sort())
  expect(counts).toEqual({
    queues: queues.length,
    messages: queues.reduce((sum, q) => sum + q.messages.length, 0),
    notifications: queues.reduce((sum, q) => sum + q.notifications.length, 0),
    notifiers: queues.filter((q) => q.queue.notifier !== undefined).length,
    rcvServices: model.services,
    ntfServices: model.services,
    rcvServiceQueues: queues.filter((q) => q.queue.rcvServiceId !== undefined).length,
    ntfServiceQueues: queues.filter((q) => q.queue.notifier?.serviceId !== undefined).length,
  })
}

function addServices(store: Work): void {
  for (const n of NUMBERS) {
    store.addService(aService(n, { serviceId: svc(n) }))
    store.addService(aService(n + NUMBERS.length, { serviceId: ntfSvc(n), role: 'N' }))
  }
}

/** Steps, each with what happens after it. */
const steps = fc.array(fc.tuple(step, pause), { maxLength: 200, size: 'max' })

describe('whatever is done to a store', () => {
  it.each(['memory', 'lmdb'] as const)('it is what a plain model is (%s)', { timeout: 300_000 }, async (engine) => {
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const directory = mkdtempSync(join(tmpdir(), 'smp-model-'))
        const openStore = (): EmbeddedStore =>
          engine === 'memory' ? openMemoryStore({ quota: QUOTA }) : openLmdbStore(directory, { quota: QUOTA })
        let store = openStore()
        const model: Model = { queues: [], reserved: new Set(), forever: false, services: 0, unseen: [] }
        try {
          for (const [run, after] of taken) {
            run(model, store)
            if (after === 'turn') await new Promise((resolve) => setImmediate(resolve))
            if (after === 'flush') await store.flushed()
            if (after === 'reopen' && engine === 'lmdb') {
              await store.close()
              store = openStore()
              model.reserved.clear()
            }
          }
          expectSame(model, embeddedView(store))
          await store.flushed()
          expectSame(model, embeddedView(store))
        } finally {
          await store.close()
          rmSync(directory, { recursive: true })
        }
      }),
      { numRuns: engine === 'memory' ? 200 : 60 },
    )
  })

  it.each([5, 6] as const)(
    'it is what a plain model is (postgres, %i migrations)',
    { timeout: 300_000 },
    async (migrations) => {
      const { store, options } = await openTestDatabase({ migrations, quota: QUOTA })
      try {
        await fc.assert(
          fc.asyncProperty(steps, async (taken) => {
            await emptied(options)
            await inUnit(store, addServices)
            const model: Model = {
              queues: [],
              reserved: new Set(),
              forever: true,
              services: NUMBERS.length,
              unseen: [],
            }
            // Steps up to a pause are one unit of work.
            let together: Step[] = []
            for (const [run, after] of taken) {
              together.push(run)
              if (after === 'none') continue
              const unit = together
              together = []
              await inUnit(store, (work) => unit.forEach((each) => each(model, work)))
              endUnit(model)
            }
            await inUnit(store, (work) => together.forEach((each) => each(model, work)))
            const walked = await walkedView(store.walks())
            await inUnit(store, (work) => expectSame(model, { work, ...walked }))
          }),
          { numRuns: 25 },
        )
      } finally {
        await store.close()
      }
    },
  )
})

function endUnit(model: Model): void {
  for (const id of model.unseen.splice(0)) model.reserved.delete(id)
  for (const q of model.queues) q.stored = true
}

function embeddedView(store: EmbeddedStore): View {
  return {
    work: store,
    messages: (rcvId) => [...store.messages(rcvId)],
    serviceQueues: (serviceId, party) => [
      ...(party === 'R' ? store.serviceQueues(serviceId, party) : store.serviceQueues(serviceId, party)),
    ],
    queues: [...store.queues()].map((queue) => queue.rcvId),
    counts: store.counts(),
  }
}

async function walkedView(walks: StoreWalks): Promise<Omit<View, 'work'>> {
  const messages: WalkedMessage[] = []
  for await (const page of walks.messages()) messages.push(...page)
  const queues: WalkedQueue[] = []
  for await (const page of walks.queues()) queues.push(...page)
  const associated = new Map<string, string[]>()
  for (const n of NUMBERS) {
    for (const [serviceId, party] of [
      [svc(n), 'R'],
      [ntfSvc(n), 'N'],
    ] as const) {
      const ids: string[] = []
      for await (const page of walks.serviceQueues(serviceId, party)) ids.push(...page)
      associated.set(serviceId, ids)
    }
  }
  return {
    messages: (rcvId) => messages.filter((each) => each.rcvId === rcvId).map(({ message }) => message),
    serviceQueues: (serviceId) => associated.get(serviceId) ?? [],
    queues: queues.map(({ queue }) => queue.rcvId),
    counts: await walks.counts(),
  }
}

/** Everything that a step may touch. */
const EVERYTHING: Needs = {
  queues: NUMBERS.flatMap((n): QueueNeed[] => [
    { by: 'rcvId', id: rcv(n), messages: 1000, link: true, expiredBefore: aMessage(1000).timestamp },
    { by: 'sndId', id: snd(n) },
    { by: 'linkId', id: lnk(n), link: true },
    { by: 'notifierId', id: ntf(n), notifications: 1000 },
  ]),
  newIds: NUMBERS.flatMap((n) => [rcv(n), snd(n), ntf(n), lnk(n)]),
  services: NUMBERS.flatMap((n) => [svc(n), ntfSvc(n)]),
}

async function inUnit(store: PostgresStore, decide: (work: Work) => void): Promise<void> {
  const done = await store.run(
    () => EVERYTHING,
    (work) => {
      decide(work)
      return { committed: work.committed() }
    },
  )
  await done.committed
}

async function emptied({ connection, schema }: PostgresOptions): Promise<void> {
  const client = new Client({ connectionString: connection })
  await client.connect()
  await client.query(`TRUNCATE ${schema}.msg_queues, ${schema}.messages, ${schema}.services`)
  await client.query(`TRUNCATE ${schema}_relays.owners, ${schema}_relays.notifications`)
  await client.end()
}
