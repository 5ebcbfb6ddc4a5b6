import { idFromBytes, type RcvId } from '../../protocol/ids.ts'
import { activeSets, periods, type ActiveSet, type Period } from './active-queues.ts'
import { counterGroups, counterNames, counterRows, groupNames, savedMembers, type Stats } from './counters.ts'
import { QUEUE_COUNT } from './write-snapshot.ts'

/** What is wrong with a snapshot, and in which line. */
export interface SnapshotFault {
  readonly line: number
  readonly what: string
}

export type ReadResult = { readonly unknown: readonly string[] } | { readonly fault: SnapshotFault }

/** What to do with a value, or undefined when it makes no sense. */
type Setter = (value: string) => (() => void) | undefined

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
 * fault, `stats` is as it was.
 */
export function readSnapshot(text: string, stats: Stats): ReadResult {
  if (!text.endsWith('\n')) return { fault: { line: lineCount(text), what: 'the end of the file is missing' } }
  const setters = settersOf(stats)
  const seen = new Set<string>()
  const unknown: string[] = []
  const changes: (() => void)[] = []
  let block = ''
  for (const [index, line] of text.slice(0, -1).split('\n').entries()) {
    const fault = (what: string): ReadResult => ({ fault: { line: index + 1, what } })
    const header = /^([A-Za-z0-9]+):$/.exec(line)
    if (header !== null) {
      block = header[1] ?? ''
      continue
    }
    const [, name, value] = /^([A-Za-z0-9]+)=(.*)$/.exec(line) ?? []
    if (name === undefined || value === undefined) return fault('not a name with a value')
    // One counter stands behind a block without a header of its own.
    const setter = setters.get(`${block}:${name}`) ?? setters.get(`:${name}`)
    seen.add(name)
    if (setter !== undefined) {
      const change = setter(value)
      if (change === undefined) return fault(`${name} has an invalid value`)
      changes.push(change)
    } else if (!RETIRED_BLOCKS.includes(block) && !RETIRED_NAMES.includes(name)) unknown.push(name)
  }
  const missing = REQUIRED.find((name) => !seen.has(name))
  if (missing !== undefined) return { fault: { line: lineCount(text), what: `the file ends without ${missing}` } }
  for (const change of changes) change()
  return { unknown }
}

function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

/** Every name by its block. */
function settersOf(stats: Stats): Map<string, Setter> {
  const setters = new Map<string, Setter>()
  setters.set(':fromTime', (value) => {
    const time = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? Date.parse(value) : NaN
    return Number.isNaN(time) ? undefined : () => (stats.fromTime = time)
  })
  for (const name of counterNames) {
    if (counterRows[name].unsaved !== true)
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
  for (const group of groupNames) {
    const counters: Record<string, number> = stats[group]
    for (const { name, saved } of savedMembers(stats, group)) {
      setters.set(
        `${counterGroups[group].block}:${saved}`,
        counter((count) => (counters[name] = count)),
      )
    }
  }
  for (const set of activeSets) {
    for (const period of periods) {
      setters.set(`${set}:${period}Hashes`, activeQueues(stats, set, period, [HASH]))
      setters.set(`${set}:${period}`, activeQueues(stats, set, period))
    }
  }
  for (const period of periods) setters.set(`:${period}MsgQueues`, activeQueues(stats, 'activeQueues', period))
  return setters
}

function counter(set: (count: number) => void): Setter {
  return (value) => (COUNT.test(value) ? () => set(Number(value)) : undefined)
}

/** Hashes separated by commas; the oldest relays saved the recipient ids themselves. */
function activeQueues({ activeQueues }: Stats, set: ActiveSet, period: Period, forms = [HASH, ID]): Setter {
  return (value) => {
    const items = value === '' ? [] : value.split(',')
    if (!items.every((item) => forms.some((form) => form.test(item)))) return undefined
    return () => {
      for (const item of items) {
        if (HASH.test(item)) activeQueues.restore(set, period, BigInt(item))
        else activeQueues.restoreId(set, period, idFromBytes<RcvId>(Buffer.from(item, 'base64url')))
      }
    }
  }
}
