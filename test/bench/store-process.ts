import { randomBytes } from 'node:crypto'
import { publicKey } from '../../src/crypto/keys.ts'
import { idFromBytes, type RcvId, type SndId } from '../../src/protocol/ids.ts'
import { openLmdbStore } from '../../src/store/lmdb.ts'
import { DEFAULT_QUOTA } from '../../src/store/store.ts'
import { serveCalls } from './calls.ts'

const AT_ONCE = 1000

interface FillOptions {
  readonly path: string
  readonly queues: number
  readonly owner?: Buffer
  readonly sample?: number
}

const calls = {
  /**
   * Makes a store with queues that have everything an ordinary queue has.
   *
   * @param owner the recipient key of all of them, 32 bytes of Ed25519; each has its own when absent
   * @param sample how many recipient ids are wanted, of queues all over the store
   */
  async fill({ path, queues, owner, sample = 0 }: FillOptions): Promise<{ perSecond: number; ids: Buffer[] }> {
    const beganMs = performance.now()
    const store = openLmdbStore(path, { quota: DEFAULT_QUOTA })
    const today = Math.floor(Date.now() / 86_400_000) * 86_400
    const ids: Buffer[] = []
    for (let count = 1; count <= queues; count++) {
      const id = randomBytes(24)
      if (count % Math.floor(queues / sample) === 0 && ids.length < sample) ids.push(id)
      store.addQueue({
        rcvId: idFromBytes<RcvId>(id),
        sndId: idFromBytes<SndId>(randomBytes(24)),
        recipientKeys: [owner ? publicKey('ed25519', Buffer.from(owner)) : publicKey('x25519', randomBytes(32))],
        senderKey: publicKey('x25519', randomBytes(32)),
        rcvDhSecret: randomBytes(32),
        queueMode: 'M',
        status: { type: 'active' },
        updatedAt: today,
      })
      if (count % AT_ONCE === 0) await store.flushed()
    }
    await store.close()
    return { perSecond: queues / ((performance.now() - beganMs) / 1000), ids }
  },
}

export type StoreCalls = typeof calls

serveCalls(calls)
