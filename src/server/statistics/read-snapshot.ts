import { idFromBytes, type RcvId } from '../../protocol/ids.ts'
import { activeSets, type ActiveSet, type Period } from './active-queues.ts'
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

/** What is wrong with a snapshot, and in which line. */
export interface SnapshotFault {
  readonly line: number
  readonly what: string
}

export type ReadResult = { readonly unknown: readonly string[] } | { readonly fault: SnapshotFault }

type Setter = (value: string) => boolean

const COUNT = /^\d{1,15}$/
const HASH = /^-?\d{1,20}$/
const ID = /^[A-Za-z0-9_-]{1,340}={0,2}$/
const REQUIRED = ['fromTime', 'msgSent', 'msgRecv']
/** Of older relays, with counts that are not kept any more. */
const RETIRED_BLOCKS = ['subscribedQueues']
const RETIRED_NAMES = ['qSubNoMsg', QUEUE_COUNT]

/**
 * Reads what {@link snapshotText} or another SMP relay of any version wrote into counters that are at zero. What such a
 * file does not have stays zero. Names that are not known, as a later version may have them, are passed over. With a
 * fault, `stats` is not to be used.
 */
export function readSnapshot(text: string, stats: Stats): ReadResult {
  if (!text.endsWith('\n')) return { fault: { line: lineCount(text), what: 'the end of the file is missing' } }
  const setters = settersOf(stats)
  const seen = new Set<string>()
  const unknown: string[] = []
  let block = ''
  for (const [index, line] of text.slice(0, -1).split('\n').entries()) {
    const fault = (what: string): ReadResult => ({ fault: { line: index + 1, what } })
    const header = /^([A-Za-z0-9]+):$/.exec(line)
    if (header !== null) {
      block = header[1] ?? ''
      continue
    }
    const [, name, value] = /^([A-Za-z0-9]+)=(.*)$/.exec(line) ?? []
    if (name === undefined || value === undefined) return fault('it is not a name with a value')
    // One counter stands behind a block without a header of its own.
    const setter = setters.get(`${block}:${name}`) ?? setters.get(`:${name}`)
    seen.add(name)
    if (setter !== undefined) {
      if (!setter(value)) return fault(`${name} has no value that can be understood`)
    } else if (!RETIRED_BLOCKS.includes(block) && !RETIRED_NAMES.includes(name)) unknown.push(name)
  }
  const missing = REQUIRED.find((name) => !seen.has(name))
  return missing === undefined
    ? { unknown }
    : { fault: { line: lineCount(text), what: `the file ends without ${missing}` } }
}

function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

/** Every name by its block. */
function settersOf(stats: Stats): Map<string, Setter> {
  const setters = new Map<string, Setter>()
  setters.set(':fromTime', (value) => {
    const time = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? Date.parse(value) : NaN
    stats.fromTime = time
    return !Number.isNaN(time)
  })
  for (const name of plainNames) {
    if (name !== QUEUE_COUNT)
      setters.set(
        `:${name}`,
        counter((count) => (stats[name] = count)),
      )
  }
  // Deleted queues were not told apart once.
  setters.set(
    ':qDeleted',
    counter((count) => (stats.qDeletedAll = count)),
  )
  setters.set(
    `:${RECEIVED_FORWARDS}`,
    counter((count) => (stats[RECEIVED_FORWARDS] = count)),
  )
  for (const group of proxyGroups) {
    for (const name of proxyNames)
      setters.set(
        `${group}:${name}`,
        counter((count) => (stats[group][name] = count)),
      )
  }
  for (const group of serviceGroups) {
    for (const [written, name] of serviceNames) {
      setters.set(
        `${group}:${written}`,
        counter((count) => (stats[group][name] = count)),
      )
    }
  }
  for (const name of resolverNames) {
    setters.set(
      `${RESOLVER_BLOCK}:${name}`,
      counter((count) => (stats.names[name] = count)),
    )
  }
  for (const set of activeSets) {
    for (const period of ['day', 'week', 'month'] as const) {
      setters.set(`${set}:${period}Hashes`, hashes(stats, set, period))
      setters.set(`${set}:${period}`, ids(stats, set, period))
    }
  }
  for (const period of ['day', 'week', 'month'] as const) {
    setters.set(`:${period}MsgQueues`, hashes(stats, 'activeQueues', period))
  }
  return setters
}

function counter(set: (count: number) => void): Setter {
  return (value) => {
    if (!COUNT.test(value)) return false
    set(Number(value))
    return true
  }
}

function hashes(stats: Stats, set: ActiveSet, period: Period): Setter {
  return list(HASH, (text) => stats.activeQueues.restore(set, period, BigInt(text)))
}

/** Older relays saved the recipient ids themselves. */
function ids(stats: Stats, set: ActiveSet, period: Period): Setter {
  return list(ID, (text) => {
    stats.activeQueues.restoreId(set, period, idFromBytes<RcvId>(Buffer.from(text, 'base64url')))
  })
}

function list(form: RegExp, add: (text: string) => void): Setter {
  return (value) => {
    if (value === '') return true
    const items = value.split(',')
    if (!items.every((item) => form.test(item))) return false
    for (const item of items) add(item)
    return true
  }
}
