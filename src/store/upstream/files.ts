import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'

/** Names of upstream's files in its log directory. */
export const upstreamFiles = {
  storeLog: 'smp-server-store.log',
  messages: 'smp-server-messages.log',
  notifications: 'smp-server-ntfs.log',
  /** A directory, in place of the file of messages. */
  journal: 'messages',
} as const

export interface Line {
  readonly text: string
  /** From 1. */
  readonly number: number
  readonly last: boolean
}

/** The lines of a file, one in memory at a time; a line end at the end of the file begins no line. */
export async function* readLines(path: string): AsyncGenerator<Line, void, undefined> {
  let number = 0
  let previous: string | undefined
  // LF is the only line end: a lone CR is part of a line that cannot be read then.
  for await (const text of createInterface({ input: createReadStream(path, 'latin1'), crlfDelay: Infinity })) {
    if (previous !== undefined) yield { text: previous, number, last: false }
    previous = text
    number++
  }
  if (previous !== undefined) yield { text: previous, number, last: true }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch {
    return false
  }
}
