import { join } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import type { MsgId, NotifierId, RcvId } from '../../protocol/ids.ts'
import type { Store } from '../store.ts'
import { renameDurably } from '../../system/durable-file.ts'
import { exists, readLines, upstreamFiles, type Line } from './files.ts'
import { journalMessages } from './journal.ts'
import { parseMessageLine, parseNotificationLine, type MessageLogRecord } from './message-log.ts'
import { parseStoreLogLine, type StoreLogRecord } from './store-log.ts'

export interface ImportOptions {
  /** Messages with `timestamp < messagesBefore` are left out, and counted as expired. */
  readonly messagesBefore?: number
  readonly notificationsBefore?: number
  /** Goes on after what would end the import otherwise: messages of unknown queues, a last line that was cut off. */
  readonly skipWarnings?: boolean
  readonly onWarning?: (warning: ImportWarning) => void
}

export interface ImportWarning {
  readonly type:
    | 'interrupted' // upstream's previous start was interrupted: its `.start` file is read
    | 'unparsable'
    | 'duplicate' // one of the ids of a new queue or service is taken
    | 'unknown queue'
    | 'deleted queue' // a record for a queue that an earlier record deleted
    | 'full queue' // the message was left out
  readonly file: string
  readonly line: number
  /** One sentence without ids. */
  readonly text: string
}

export interface ImportReport {
  /** Lines of the store log. */
  readonly logLines: number
  readonly queues: number
  readonly messages: Restored
  readonly notifications: Restored
}

export interface Restored {
  readonly lines: number
  readonly stored: number
  readonly expired: number
}

type Counting = { -readonly [K in keyof Restored]: Restored[K] }

/** Records between two flushes: bounds what is held in memory. */
const FLUSH_EVERY = 200

/**
 * Reads upstream's files (store log, messages or their journal, notifications; each may be missing) from its log directory
 * into a store.
 * The files stay as they are. Safe to be repeated after an interruption: what the store has already is not added twice.
 *
 * @throws AppError UPSTREAM_FILE for a line that cannot be read in the messages or notifications, or a message of an
 *   unknown queue; lines of the store log that cannot be read are only warned about, as upstream does.
 */
export async function importUpstream(
  store: Store,
  directory: string,
  options: ImportOptions = {},
): Promise<ImportReport> {
  const importer = new Importer(store, directory, options)
  const logLines = await importer.storeLog()
  const messages = await importer.messages()
  await importer.journal(messages)
  const notifications = await importer.notifications()
  await store.flushed()
  return { logLines, queues: store.counts().queues, messages, notifications }
}

/**
 * Renames upstream's files after an import, so that they are not imported again and upstream could go back to them:
 * the store log and the journal to their names with the time, the others to `.bak`.
 */
export async function retireUpstreamFiles(directory: string, now: Date): Promise<void> {
  const { storeLog, messages, notifications, journal } = upstreamFiles
  for (const [name, retired] of [
    [journal, `${journal}.${now.toISOString()}`],
    [storeLog, `${storeLog}.${now.toISOString()}`],
    [messages, `${messages}.bak`],
    [notifications, `${notifications}.bak`],
  ] as const) {
    if (await exists(join(directory, name))) await renameDurably(join(directory, name), join(directory, retired))
  }
}

class Importer {
  readonly #store: Store
  readonly #directory: string
  readonly #options: ImportOptions
  readonly #deleted = new Set<RcvId>()
  /** The ids of messages in queues that had some before. */
  readonly #present = new Map<RcvId, Set<MsgId> | undefined>()
  #sinceFlush = 0

  constructor(store: Store, directory: string, options: ImportOptions) {
    this.#store = store
    this.#directory = directory
    this.#options = options
  }

  async storeLog(): Promise<number> {
    let file: string = upstreamFiles.storeLog
    const interrupted = `${file}.start`
    if (await exists(join(this.#directory, interrupted))) {
      file = interrupted
      this.#warn(
        'interrupted',
        file,
        0,
        "Upstream's server was interrupted while it started; importing its earlier state.",
      )
    }
    let lines = 0
    for await (const line of this.#lines(file)) {
      lines = line.number
      const record = parseStoreLogLine(line.text)
      if (record === undefined) this.#warn('unparsable', file, line.number, 'The line cannot be read.')
      else {
        const problem = this.#apply(record)
        if (problem !== undefined) this.#warn(problem, file, line.number, `${record.type}: ${problem}.`)
      }
      await this.#pace()
    }
    return lines
  }

  async messages(): Promise<Counting> {
    const file = upstreamFiles.messages
    const restored: Counting = { lines: 0, stored: 0, expired: 0 }
    for await (const line of this.#lines(file)) {
      restored.lines++
      const record = parseMessageLine(line.text)
      if (record === undefined) {
        this.#unparsable(file, line)
        continue
      }
      await this.#message(record, file, line.number, restored)
    }
    return restored
  }

  /** Of a server with `store_messages = journal`, which leaves directories of queues that are gone. */
  async journal(restored: Counting): Promise<void> {
    const file = upstreamFiles.journal
    const directory = join(this.#directory, file)
    if (!(await exists(directory))) return
    let gone: RcvId | undefined
    for await (const record of journalMessages(directory)) {
      restored.lines++
      const { rcvId } = record
      if (this.#store.queue(rcvId) === undefined) {
        if (gone !== rcvId) this.#warn('unknown queue', file, restored.lines, 'The queue of messages does not exist.')
        gone = rcvId
        continue
      }
      await this.#message(record, file, restored.lines, restored)
    }
  }

  async notifications(): Promise<Restored> {
    const file = upstreamFiles.notifications
    const before = this.#options.notificationsBefore ?? -Infinity
    const restored = { lines: 0, stored: 0, expired: 0 }
    const present = new Map<NotifierId, Set<MsgId>>()
    for await (const line of this.#lines(file)) {
      restored.lines++
      const record = parseNotificationLine(line.text)
      if (record === undefined) {
        this.#unparsable(file, line)
        continue
      }
      const { notifierId, notification } = record
      let ids = present.get(notifierId)
      if (ids === undefined) {
        ids = new Set(this.#store.notifications(notifierId).map(({ msgId }) => msgId))
        present.set(notifierId, ids)
      }
      if (ids.has(notification.msgId) || this.#store.queueByNotifier(notifierId) === undefined) continue
      if (notification.timestamp < before) restored.expired++
      else {
        this.#store.addNotification(notifierId, notification)
        restored.stored++
      }
      await this.#pace()
    }
    return restored
  }

  /** What keeps the record from being applied, if anything. */
  #apply(record: StoreLogRecord): ImportWarning['type'] | undefined {
    const store = this.#store
    if (record.type === 'NEW_SERVICE') return store.addService(record.service) === 'taken' ? 'duplicate' : undefined
    if (record.type === 'CREATE')
      return store.addQueue(record.queue, record.link) === undefined ? undefined : 'duplicate'
    const { rcvId } = record
    if (store.queue(rcvId) === undefined) return this.#deleted.has(rcvId) ? 'deleted queue' : 'unknown queue'
    switch (record.type) {
      case 'LINK':
        return store.setLink(rcvId, record.linkId, record.link) === 'taken' ? 'duplicate' : undefined
      case 'LDELETE':
        store.deleteLink(rcvId)
        return undefined
      case 'SECURE':
        store.secureQueue(rcvId, record.key)
        return undefined
      case 'KEYS':
        store.setRecipientKeys(rcvId, record.keys)
        return undefined
      case 'NOTIFIER':
        return store.setNotifier(rcvId, record.notifier) === 'taken' ? 'duplicate' : undefined
      case 'SUSPEND':
        store.setStatus(rcvId, { type: 'off' })
        return undefined
      case 'BLOCK':
        store.setStatus(rcvId, record.status)
        return undefined
      case 'UNBLOCK':
        store.setStatus(rcvId, { type: 'active' })
        return undefined
      case 'DELETE':
        store.deleteQueue(rcvId)
        this.#deleted.add(rcvId)
        return undefined
      case 'NDELETE':
        store.deleteNotifier(rcvId)
        return undefined
      case 'TIME':
        store.touchQueue(rcvId, record.day)
        return undefined
      case 'QUEUE_SERVICE':
        store.setQueueService(rcvId, record.party, record.serviceId)
        return undefined
    }
  }

  async #message(record: MessageLogRecord, file: string, line: number, restored: Counting): Promise<void> {
    const { rcvId, message } = record
    if (this.#store.queue(rcvId) === undefined) {
      this.#problem('unknown queue', file, line, 'The queue of a message does not exist.')
      return
    }
    if (!this.#present.has(rcvId)) this.#present.set(rcvId, this.#messageIds(rcvId))
    if (this.#present.get(rcvId)?.has(message.id) === true) return
    if (message.type === 'message' && message.timestamp < (this.#options.messagesBefore ?? -Infinity))
      restored.expired++
    else if (this.#restore(record)) restored.stored++
    else this.#warn('full queue', file, line, 'The queue is full, the message was not restored.')
    await this.#pace()
  }

  #restore({ rcvId, message }: MessageLogRecord): boolean {
    if (message.type === 'message') return this.#store.writeMessage(rcvId, message).stored
    this.#store.restoreMarker(rcvId, message)
    return true
  }

  #messageIds(rcvId: RcvId): Set<MsgId> | undefined {
    if (this.#store.queueSize(rcvId) === 0) return undefined
    return new Set(Array.from(this.#store.messages(rcvId), ({ id }) => id))
  }

  async *#lines(file: string): AsyncGenerator<Line, void, undefined> {
    const path = join(this.#directory, file)
    if (await exists(path)) yield* readLines(path)
  }

  /** Lets what was done become durable before there is too much of it. */
  async #pace(): Promise<void> {
    if (++this.#sinceFlush < FLUSH_EVERY) return
    this.#sinceFlush = 0
    await this.#store.flushed()
  }

  #unparsable(file: string, line: Line): void {
    const text = 'The line cannot be read.'
    if (line.last) this.#problem('unparsable', file, line.number, text)
    else {
      throw new AppError(
        'UPSTREAM_FILE',
        `Line ${line.number} of ${join(this.#directory, file)} cannot be read.`,
        'The file is damaged: restore it from a backup, or move it away to go on without what it holds.',
      )
    }
  }

  #problem(type: ImportWarning['type'], file: string, line: number, text: string): void {
    if (this.#options.skipWarnings !== true) {
      throw new AppError(
        'UPSTREAM_WARNING',
        `Line ${line} of ${join(this.#directory, file)}: ${text}`,
        'Use the option --skip-warnings to go on without it.',
      )
    }
    this.#warn(type, file, line, text)
  }

  #warn(type: ImportWarning['type'], file: string, line: number, text: string): void {
    this.#options.onWarning?.({ type, file, line, text })
  }
}
