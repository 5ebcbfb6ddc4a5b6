import type { Codec } from '../codec.ts'
import { readClaimedQueues, writeClaimedQueues, type ServiceQueues } from '../service-queues.ts'

/** A service subscribes to all its queues. */
export interface SubsCommand extends ServiceQueues {
  readonly type: 'SUBS'
}

/** A notification service subscribes to all its notifiers. */
export interface NsubsCommand extends ServiceQueues {
  readonly type: 'NSUBS'
}

/**
 *     v6..18:  SUBS = "SUBS"
 *     v19:     SUBS = "SUBS" SP int64(count) short(idsHash)
 */
export const subsCodec: Codec<SubsCommand> = {
  parse: (r, version) => ({ type: 'SUBS', ...readClaimedQueues(r, version) }),
  encode: writeClaimedQueues,
}

/** `NSUBS` is formed as `SUBS`. */
export const nsubsCodec: Codec<NsubsCommand> = {
  parse: (r, version) => ({ type: 'NSUBS', ...readClaimedQueues(r, version) }),
  encode: writeClaimedQueues,
}
