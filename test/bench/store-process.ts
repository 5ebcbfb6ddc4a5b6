import { randomBytes } from 'node:crypto'
import { publicKey } from '../../src/crypto/keys.ts'
import { idFromBytes, type RcvId, type SndId } from '../../src/protocol/ids.ts'
import { openLmdbStore } from '../../src/store/lmdb.ts'
import { DEFAULT_QUOTA } from '../../src/store/store.ts'
import { serveCalls } from './calls.ts'

const AT_ONCE = 1000

const calls = {
  /** Makes a store with queues that have everything an ordinary queue has; queues per second. */
  async fill({ path, queues }: { path: string; queues: number }): Promise<number> {
    const beganMs = performance.now()
    const store = openLmdbStore(path, { quota: DEFAULT_QUOTA })
    const today = Math.floor(Date.now() / 86_400_000) * 86_400
    for (let count = 1; count <= queues; count++) {
      store.addQueue({
        rcvId: idFromBytes<RcvId>(randomBytes(24)),
        sndId: idFromBytes<SndId>(randomBytes(24)),
        recipientKeys: [publicKey('x25519', randomBytes(32))],
        senderKey: publicKey('x25519', randomBytes(32)),
        rcvDhSecret: randomBytes(32),
        queueMode: 'M',
        status: { type: 'active' },
        updatedAt: today,
      })
      if (count % AT_ONCE === 0) await store.flushed()
    }
    await store.close()
    return queues / ((performance.now() - beganMs) / 1000)
  },
}

export type StoreCalls = typeof calls

serveCalls(calls)
