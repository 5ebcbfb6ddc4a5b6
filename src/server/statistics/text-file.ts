import { open, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

const BUFFERED_CHARACTERS = 1 << 18

export interface ReplaceOptions {
  /** Permissions of a new file. */
  readonly mode: number
  /** Whether one that is replaced keeps those that it has, which the operator may have given it. */
  readonly ifExists: 'keep mode' | 'set mode'
}

/**
 * Writes a whole text file piece by piece; under its name there is always either the old one or the new one, also after
 * a power loss. Others get their turn between pieces of 256 KiB.
 */
export async function replaceText(
  path: string,
  pieces: Iterable<string>,
  { mode, ifExists }: ReplaceOptions,
): Promise<void> {
  const partial = `${path}.partial`
  const kept = ifExists === 'keep mode' ? await permissions(path) : undefined
  const file = await open(partial, 'w', mode)
  try {
    if (kept !== undefined) await file.chmod(kept)
    let buffered = ''
    for (const piece of pieces) {
      buffered += piece
      if (buffered.length < BUFFERED_CHARACTERS) continue
      await file.appendFile(buffered, 'latin1')
      buffered = ''
    }
    await file.appendFile(buffered, 'latin1')
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(partial, path)
  await syncDirectory(dirname(path))
}

/** Appends a line to a text file, and returns when that would survive a power loss; one that was cut off stays apart. */
export async function appendLine(path: string, line: string, mode: number): Promise<void> {
  const file = await open(path, 'a+', mode)
  try {
    const { size } = await file.stat()
    const last = Buffer.alloc(1)
    if (size > 0) await file.read(last, 0, 1, size - 1)
    const isCut = size > 0 && last.toString('latin1') !== '\n'
    await file.appendFile(`${isCut ? '\n' : ''}${line}\n`, 'latin1')
    await file.sync()
  } finally {
    await file.close()
  }
}

async function permissions(path: string): Promise<number | undefined> {
  return await stat(path).then(
    ({ mode }) => mode & 0o777,
    () => undefined,
  )
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
