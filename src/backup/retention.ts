import { lstat, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errorCode } from '../system/error-code.ts'
import { TEMPORARY_ENDING } from '../system/temporary-file.ts'
import type { MadeBackup } from './backup-list.ts'

/** Backups that cannot be found are remembered, because their disk may be mounted again: at most so many. */
const MAX_ABSENT = 1000

export interface Sorted {
  /** The files as they were made, oldest first. */
  readonly present: readonly MadeBackup[]
  /** Not there, at this moment. */
  readonly absent: readonly MadeBackup[]
}

/** Looks which backups are still there. A file that somebody has changed or replaced is not the relay's any more. */
export async function sortBackups(made: readonly MadeBackup[]): Promise<Sorted> {
  const present: MadeBackup[] = []
  const absent: MadeBackup[] = []
  for (const backup of made) {
    const state = await stateOf(backup)
    if (state === 'present') present.push(backup)
    else if (state === 'absent') absent.push(backup)
  }
  return { present, absent: absent.slice(-MAX_ABSENT) }
}

async function stateOf({ file, size, modifiedMs }: MadeBackup): Promise<'present' | 'absent' | 'changed'> {
  try {
    const found = await lstat(file)
    return found.isFile() && found.size === size && found.mtimeMs === modifiedMs ? 'present' : 'changed'
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return 'absent'
    throw error
  }
}

export interface Pruned {
  /** The list without what was deleted, in its order. */
  readonly made: readonly MadeBackup[]
  readonly deleted: readonly string[]
}

/**
 * Deletes the oldest backups in a directory: those that this relay has made and nobody has touched since.
 *
 * @param keep how many of them may stay
 */
export async function pruneBackups(
  made: readonly MadeBackup[],
  { directory, keep }: { readonly directory: string; readonly keep: number },
): Promise<Pruned> {
  const { present, absent } = await sortBackups(made)
  const here = present.filter(({ file }) => dirname(file) === directory)
  const old = new Set(here.slice(0, Math.max(0, here.length - keep)))
  for (const { file } of old) await rm(file)
  const left = new Set([...present, ...absent].filter((backup) => !old.has(backup)))
  return { made: made.filter((backup) => left.has(backup)), deleted: [...old].map(({ file }) => file) }
}

/** Removes what a killed process left of a file that it was writing. */
export async function removeUnfinished(file: string): Promise<void> {
  const directory = dirname(file)
  const name = basename(file)
  const found = await readdir(directory).catch((): string[] => [])
  const left = found.filter((other) => other.replace(TEMPORARY_ENDING, '') === name && other !== name)
  for (const one of left) await rm(join(directory, one), { force: true })
}
