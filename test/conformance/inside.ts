import type { Core } from '../../src/server/core.ts'
import { idAs, idFromBytes, type EntityId, type LinkId, type RcvId, type SndId } from '../../src/protocol/ids.ts'
import type { QueueRec, ServiceRec, StoreCounts } from '../../src/store/store.ts'
import { embeddedWalks, type StoreWalks } from '../../src/store/walks.ts'

/** Tests that change or hold up the store behind the back of the relay, which only one in the same process allows. */
export const isEmbedded = process.env.SMP_TEST_STORE !== 'postgres'

/** What a relay keeps, whichever store it has. */
export const walksOf = ({ engine }: Core): StoreWalks => (engine.loads ? engine.walks() : embeddedWalks(engine))

export const countsOf = async (core: Core): Promise<StoreCounts> => await walksOf(core).counts()

export const servicesOf = (core: Core): Promise<ServiceRec[]> => collected(walksOf(core).services())

export const queueOf = async ({ engine }: Core, rcvId: Buffer): Promise<QueueRec | undefined> => {
  const id = idFromBytes<RcvId>(rcvId)
  return await engine.run(
    () => ({ queues: [{ by: 'rcvId', id }] }),
    (work) => work.queue(id),
  )
}

export const sizeOf = async ({ engine }: Core, rcvId: Buffer): Promise<number> => {
  const id = idFromBytes<RcvId>(rcvId)
  return await engine.run(
    () => ({ queues: [{ by: 'rcvId', id }] }),
    (work) => work.queueSize(id),
  )
}

/** Changes a queue behind the back of its clients, as the control port does; resolves when it is durable. */
export const changeQueue = async <T>(
  core: Core,
  sndId: Buffer,
  change: (core: Core, id: EntityId) => T,
): Promise<T> => {
  const id = idFromBytes<EntityId>(sndId)
  const { result, committed } = await core.engine.run(
    () => ({
      queues: [
        { by: 'sndId', id: idAs<SndId>(id) },
        { by: 'linkId', id: idAs<LinkId>(id) },
      ],
    }),
    (store) => ({ result: change({ ...core, store }, id), committed: { done: store.committed() } }),
  )
  await committed.done
  return result
}

export const collected = async <T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> => {
  const all: T[] = []
  for await (const page of pages) all.push(...page)
  return all
}
