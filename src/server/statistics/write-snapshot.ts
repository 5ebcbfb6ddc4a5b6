import { activeSets, periods } from './active-queues.ts'
import { counterGroups, counterNames, counterRows, groupNames, savedMembers, type Stats } from './counters.ts'

const HASHES_PER_PIECE = 1000

/** Number of stored queues, behind the counter of blocked ones; for information only. */
export const QUEUE_COUNT = 'qCount'
const BEFORE_QUEUE_COUNT = 'qBlocked'

/** Follows the blocks of proxying, without a header of its own. */
const FORWARDS_RECEIVED = 'pMsgFwdsRecv'
const BEFORE_FORWARDS_RECEIVED = 'pMsgFwdsOwn'

/**
 * The text of `smp-server-stats.log` piece by piece, so that the hashes of many queues are never in memory as one text.
 * The counters are read when the first piece is asked for. The names and their order are an interface to other SMP
 * relays: whoever switches between them keeps the counters.
 *
 * @param queues number of stored queues
 */
export function* snapshotText(stats: Stats, queues: number): Generator<string, void, undefined> {
  const counters = [...counterLines(stats, queues)].map((line) => `${line}\n`).join('')
  const rest = [...groupLines(stats)].map((line) => `${line}\n`).join('')
  yield counters
  for (const set of activeSets) {
    yield `${set}:\n`
    for (const period of periods) {
      yield `${period}Hashes=`
      yield* hashPieces(stats.activeQueues.hashes(set, period))
      yield '\n'
    }
  }
  yield rest
}

function* counterLines(stats: Stats, queues: number): Iterable<string> {
  yield `fromTime=${new Date(stats.fromTime).toISOString()}`
  for (const name of counterNames) {
    if (counterRows[name].unsaved === true || name === FORWARDS_RECEIVED) continue
    yield `${name}=${stats[name]}`
    if (name === BEFORE_QUEUE_COUNT) yield `${QUEUE_COUNT}=${queues}`
  }
}

function* groupLines(stats: Stats): Iterable<string> {
  for (const group of groupNames) {
    yield `${counterGroups[group].block}:`
    for (const { saved, value } of savedMembers(stats, group)) yield `${saved}=${value}`
    if (group === BEFORE_FORWARDS_RECEIVED) yield `${FORWARDS_RECEIVED}=${stats[FORWARDS_RECEIVED]}`
  }
}

function* hashPieces(hashes: Iterable<bigint | undefined>): Iterable<string> {
  let piece: bigint[] = []
  let separator = ''
  for (const hash of hashes) {
    if (hash === undefined) yield ''
    else piece.push(hash)
    if (piece.length < HASHES_PER_PIECE) continue
    yield separator + piece.join(',')
    separator = ','
    piece = []
  }
  if (piece.length > 0) yield separator + piece.join(',')
}
