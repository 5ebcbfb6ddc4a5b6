import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import type { QueueRec, Store } from '../store.ts'
import { textPieces, writeDurably } from '../../system/durable-file.ts'
import { exists, upstreamFiles } from './files.ts'
import { formatMessageLine, formatNotificationLine } from './message-log.ts'
import { holdsNothing } from './notice.ts'
import { formatStoreLogRecord } from './store-log.ts'

export interface ExportReport {
  readonly queues: number
  readonly services: number
  readonly messages: number
  readonly notifications: number
  /** Messages without a body, which upstream could not read back. */
  readonly emptyMessages: number
}

/**
 * Writes the whole store as upstream's files (store log, messages, notifications; 0600) into a directory, as upstream
 * writes them when it starts and stops. The store must not be in use by a running relay meanwhile.
 *
 * @throws AppError UPSTREAM_FILE_EXISTS when one of the files holds something already: nothing is written then
 */
export async function exportUpstream(store: Store, directory: string): Promise<ExportReport> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const { storeLog, messages, notifications } = upstreamFiles
  for (const name of [storeLog, messages, notifications]) {
    const path = join(directory, name)
    if (!(await exists(path)) || (await holdsNothing(path))) continue
    throw new AppError('UPSTREAM_FILE_EXISTS', `The file ${path} exists already.`, 'Export to an empty directory.')
  }
  const report = { queues: 0, services: 0, messages: 0, notifications: 0, emptyMessages: 0 }
  await writeLines(join(directory, storeLog), storeLogLines(store, report))
  await writeLines(join(directory, messages), messageLines(store, report))
  await writeLines(join(directory, notifications), notificationLines(store, report))
  return report
}

async function writeLines(path: string, lines: Iterable<string>): Promise<void> {
  await writeDurably(path, textPieces(ended(lines)), { mode: 0o600, ifExists: 'replace' })
}

function* ended(lines: Iterable<string>): Generator<string, void, undefined> {
  for (const line of lines) yield `${line}\n`
}

type Counting = { -readonly [K in keyof ExportReport]: ExportReport[K] }

function* storeLogLines(store: Store, report: Counting): Generator<string, void, undefined> {
  for (const service of store.services()) {
    report.services++
    yield formatStoreLogRecord({ type: 'NEW_SERVICE', service })
  }
  for (const queue of store.queues()) {
    report.queues++
    yield* queueLines(store, queue)
  }
}

/**
 * One CREATE. A notice in its status is written as a BLOCK of its own when the queue belongs to a service: upstream
 * would take what follows the notice for a part of it, and lose the queue.
 */
function* queueLines(store: Store, queue: QueueRec): Generator<string, void, undefined> {
  const { rcvId, status, linkId, rcvServiceId } = queue
  const link = linkId === undefined ? undefined : store.linkData(linkId)
  const apart = status.type === 'blocked' && status.notice !== undefined && rcvServiceId !== undefined
  const created: QueueRec = apart ? { ...queue, status: { type: 'blocked', reason: status.reason } } : queue
  yield formatStoreLogRecord({ type: 'CREATE', queue: created, ...(link && { link }) })
  if (apart) yield formatStoreLogRecord({ type: 'BLOCK', rcvId, status })
}

function* messageLines(store: Store, report: Counting): Generator<string, void, undefined> {
  for (const { rcvId } of store.queues()) {
    for (const message of store.messages(rcvId)) {
      if (message.type === 'message' && message.body.length === 0) report.emptyMessages++
      else {
        report.messages++
        yield formatMessageLine({ rcvId, message })
      }
    }
  }
}

function* notificationLines(store: Store, report: Counting): Generator<string, void, undefined> {
  for (const { notifier } of store.queues()) {
    if (notifier === undefined) continue
    for (const notification of store.notifications(notifier.notifierId)) {
      report.notifications++
      yield formatNotificationLine({ notifierId: notifier.notifierId, notification })
    }
  }
}
