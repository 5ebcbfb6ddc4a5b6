import { createReadStream } from 'node:fs'
import { open, rename, stat, type FileHandle } from 'node:fs/promises'
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

const BUFFERED_CHARACTERS = 1 << 18

/**
 * Writes lines to a file (0600) that appears under its name only when it is whole and synced to disk.
 * The number of lines.
 */
export async function writeLines(path: string, lines: Iterable<string>): Promise<number> {
  const partial = `${path}.partial`
  const file = await open(partial, 'w', 0o600)
  try {
    const count = await appendLines(file, lines)
    await file.sync()
    await file.close()
    await rename(partial, path)
    return count
  } finally {
    await file.close()
  }
}

async function appendLines(file: FileHandle, lines: Iterable<string>): Promise<number> {
  let count = 0
  let buffered = ''
  for (const line of lines) {
    buffered += `${line}\n`
    count++
    if (buffered.length < BUFFERED_CHARACTERS) continue
    await file.appendFile(buffered, 'latin1')
    buffered = ''
  }
  await file.appendFile(buffered, 'latin1')
  return count
}
