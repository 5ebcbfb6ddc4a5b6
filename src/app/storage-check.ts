import { existsSync, readFileSync } from 'node:fs'
import { iniEntry, parseIni } from '../config/ini.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { AppError } from '../errors/app-error.ts'
import { Refusal } from '../errors/refusal.ts'
import { holdsNothing } from '../store/upstream/notice.ts'
import { storedQueues } from '../store/lmdb/stored-queues.ts'

/**
 * Refuses storage that this relay does not have, to guess which of two sets of messages is current, and to serve without
 * the queues that are stored.
 *
 * @throws Refusal, AppError `STORE_…`, `WORKERS_STORE`
 */
export async function checkStorage({ store, cluster }: Settings, paths: Paths): Promise<void> {
  if (cluster.workers > 1 && store.queues !== 'database') throw oneProcess(cluster.workers, paths)
  if (store.queues === 'database') {
    if (store.database === undefined) throw noJournals(paths)
    await requireNothingElsewhere(paths)
    return
  }
  if (!store.persistent) requireNoQueues(paths)
  await requireNoUnfinishedExport(paths)
  const { messagesLog, journal } = paths
  if (existsSync(journal) && existsSync(messagesLog)) {
    throw new Refusal(
      `Error: both ${messagesLog} file and ${journal} directory are present.`,
      'Move the older one away: the messages of only one of them can be imported.',
    )
  }
}

function oneProcess(workers: number, { ini }: Paths): AppError {
  return new AppError(
    'WORKERS_STORE',
    `The relay cannot run with ${workers} workers: store_queues in ${ini} is memory, the embedded store, which one process has open.`,
    'Move the queues into PostgreSQL: `smp-server database import`. Or serve with one process: `smp-server start --workers 1`',
  )
}

/** Without `enable` the store is not opened: every app would be told that its queues do not exist. */
function requireNoQueues({ store, ini }: Paths): void {
  const queues = storedQueues(store)
  if (queues === 0) return
  const content = queues === undefined ? 'queues' : queues === 1 ? '1 queue' : `${queues} queues`
  const entry = iniEntry(parseIni(readFileSync(ini, 'utf8')), 'STORE_LOG', 'enable')
  const seen = entry ? `off (${ini}:${entry.line})` : `not set in ${ini}`
  throw new AppError(
    'STORE_DISABLED',
    `The store ${store} contains ${content}, but enable in [STORE_LOG] is ${seen}. Their users would lose them.`,
    `Set \`enable = on\` in [STORE_LOG]. To start without these queues, move the store away: \`mv ${store} ${store}.unused\``,
  )
}

/** Upstream has given this mixture up. */
function noJournals({ ini }: Paths): AppError {
  return new AppError(
    'STORE_JOURNAL',
    'store_messages is journal while store_queues is database: this relay keeps messages where the queues are.',
    `Set \`store_messages = database\` under [STORE_LOG] in ${ini}. Messages in journals are imported by upstream: smp-server journal export, then smp-server database import --table messages.`,
  )
}

/** With PostgreSQL nothing else is opened: the clients of queues that are elsewhere would be told that they do not exist. */
async function requireNothingElsewhere(paths: Paths): Promise<void> {
  const found = await heldElsewhere(paths)
  if (found === undefined) return
  const { path, held } = found
  throw new AppError(
    'STORE_ELSEWHERE',
    `store_queues is database in ${paths.ini}, but there is also ${path}${held}, which would not be served.`,
    `Move it into PostgreSQL: smp-server database import. Set store_queues and store_messages to memory to serve it; if you no longer need it, move it away: mv ${path} ${path}.unused`,
  )
}

/** What holds queues or messages in the state directory: its path, and how many queues as ` with 3 queues`. */
export async function heldElsewhere(paths: Paths): Promise<{ path: string; held: string } | undefined> {
  const { store, storeLog, messagesLog, journal } = paths
  const queues = storedQueues(store)
  if (queues !== 0) return { path: store, held: ` with ${queues ?? 'some'} queue${queues === 1 ? '' : 's'}` }
  const files = [storeLog, messagesLog].filter((path) => existsSync(path))
  const empty = await Promise.all(files.map(holdsNothing))
  const path = [...files.filter((_, index) => empty[index] !== true), journal].find((path) => existsSync(path))
  return path === undefined ? undefined : { path, held: '' }
}

/** Where `database export` makes a store, which takes its place when it is complete. */
export function unfinishedExport({ store }: Paths): string {
  return `${store}.unfinished`
}

/** An empty store would be served in place of the one that was to be exported. */
async function requireNoUnfinishedExport(paths: Paths): Promise<void> {
  const unfinished = unfinishedExport(paths)
  if (!existsSync(unfinished) || (await heldElsewhere(paths)) !== undefined) return
  throw new AppError(
    'STORE_EXPORT',
    `There are no queues in ${paths.stateDir}: \`smp-server database export\` was interrupted, and left ${unfinished}.`,
    `Run it again: smp-server database export. To start without queues, remove that directory: rm -r ${unfinished}`,
  )
}
