import { readdir, readFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import type { RcvId } from '../../protocol/ids.ts'
import { parseId } from './fields.ts'
import { type MessageLogRecord, parseMessage } from './message-log.ts'

/*
 * Upstream's journal of messages, a directory per queue:
 *
 *   messages/Ab/Cd/Ef/Gh/ijk…/queue_state.<rid>.log     rid = "AbCdEfGhijk…", base64url
 *   messages/Ab/Cd/Ef/Gh/ijk…/messages.<journal>.log    the lines of smp-server-messages.log without "v3 <rid> "
 *
 *   state = "write=" place " read=" place " canWrite=" ("T" / "F") " size=" n      the last line that is whole counts
 *   place = journal "," msgPos "," msgCount "," bytePos "," byteCount
 */

interface Place {
  readonly journal: string
  /** Offset of the next message. */
  readonly at: number
  /** Bytes of the file that count. */
  readonly end: number
}

interface QueueState {
  readonly write: Place
  readonly read: Place
}

/**
 * The messages that are still to be delivered, queue by queue, in their order.
 *
 * @param directory `messages` in the log directory
 * @throws AppError UPSTREAM_FILE for a state or a message that cannot be read
 */
export async function* journalMessages(directory: string): AsyncGenerator<MessageLogRecord, void, undefined> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const states = entries.filter((entry) => entry.isFile() && /^queue_state\.[^.]+\.log$/.test(entry.name))
  for (const { parentPath, name } of states) {
    const rcvId = parseId<RcvId>(parentPath.slice(directory.length).replaceAll(sep, ''))
    const file = join(parentPath, name)
    const state = parseState(await readFile(file, 'latin1'))
    if (rcvId === undefined || state === undefined) throw unreadable(file)
    const { read, write } = state
    yield* placeMessages(rcvId, parentPath, read)
    if (write.journal !== read.journal) yield* placeMessages(rcvId, parentPath, { ...write, at: 0 })
  }
}

function parseState(text: string): QueueState | undefined {
  const place = '([\\w-]+=*),\\d{1,9},\\d{1,9},(\\d{1,12}),(\\d{1,12})'
  const whole = new RegExp(`^write=${place} read=${place} canWrite=[TF] size=\\d{1,9}$`)
  const fields = text
    .split('\n')
    .map((line) => whole.exec(line))
    .findLast((match) => match !== null)
  if (!fields) return undefined
  const [write, read] = [fields.slice(1, 4), fields.slice(4, 7)].map(([journal = '', at, end]) => ({
    journal,
    at: Number(at),
    end: Number(end),
  }))
  return write && read && { write, read }
}

async function* placeMessages(
  rcvId: RcvId,
  directory: string,
  { journal, at, end }: Place,
): AsyncGenerator<MessageLogRecord, void, undefined> {
  if (at >= end) return
  const path = join(directory, `messages.${journal}.log`)
  const bytes = await readFile(path)
  if (bytes.length < end) throw unreadable(path)
  // What follows the recorded end was being written when the server ended.
  for (const line of bytes.toString('latin1', at, end).split('\n').slice(0, -1)) {
    const message = parseMessage(line.split(' '))
    if (message === undefined) throw unreadable(path)
    yield { rcvId, message }
  }
}

function unreadable(path: string): AppError {
  return new AppError(
    'UPSTREAM_FILE',
    `${path} is damaged.`,
    'Restore it from a backup, or move the directory of this queue away to go on without its messages.',
  )
}
