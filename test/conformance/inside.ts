import type { Core } from '../../src/server/core.ts'
import { idFromBytes, type RcvId } from '../../src/protocol/ids.ts'
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

export const collected = async <T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> => {
  const all: T[] = []
  for await (const page of pages) all.push(...page)
  return all
}
