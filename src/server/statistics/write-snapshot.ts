import { activeSets, periods } from './active-queues.ts'
import { proxyGroups, serviceGroups, type Stats } from './counters.ts'
import {
  plainNames,
  proxyNames,
  QUEUE_COUNT,
  RECEIVED_FORWARDS,
  RESOLVER_BLOCK,
  resolverNames,
  serviceNames,
} from './snapshot-names.ts'

const HASHES_PER_PIECE = 1000

/**
 * The text of `smp-server-stats.log` piece by piece, so that the hashes of many queues are never in memory as one text.
 * The counters are read when the first piece is asked for.
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
  for (const name of plainNames) yield `${name}=${name === QUEUE_COUNT ? queues : stats[name]}`
}

function* groupLines(stats: Stats): Iterable<string> {
  for (const group of proxyGroups) {
    yield `${group}:`
    for (const name of proxyNames) yield `${name}=${stats[group][name]}`
  }
  yield `${RECEIVED_FORWARDS}=${stats[RECEIVED_FORWARDS]}`
  for (const group of serviceGroups) {
    yield `${group}:`
    for (const [written, name] of serviceNames) yield `${written}=${stats[group][name]}`
  }
  yield `${RESOLVER_BLOCK}:`
  for (const name of resolverNames) yield `${name}=${stats.names[name]}`
}

function* hashPieces(hashes: Iterable<bigint>): Iterable<string> {
  let piece: bigint[] = []
  let separator = ''
  for (const hash of hashes) {
    if (piece.push(hash) < HASHES_PER_PIECE) continue
    yield separator + piece.join(',')
    separator = ','
    piece = []
  }
  if (piece.length > 0) yield separator + piece.join(',')
}
