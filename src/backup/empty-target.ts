import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import { syncDirectory } from '../system/durable-file.ts'
import { errorCode } from '../system/error-code.ts'
import { asOwnerOf } from '../system/owner.ts'

/*
 * A directory that a relay is restored into. Everything is first unpacked into a directory within it, because its parent
 * may belong to another user, and it may be a file system of its own.
 */

export interface TargetNames {
  readonly directory: string
  /** The directory to unpack into, within the other one. */
  readonly staging: string
  /** Directories that may be in it already. */
  readonly others: readonly string[]
}

export class EmptyTarget {
  readonly staging: string
  readonly #directory: string
  /** The first directory that had to be created. */
  readonly #made: string | undefined
  readonly #moved: string[] = []

  private constructor(directory: string, staging: string, made: string | undefined) {
    this.#directory = directory
    this.staging = staging
    this.#made = made
  }

  /**
   * Makes sure that a directory is empty; a missing one is created (0700, with the owner of its parent). What a killed
   * restore left is removed.
   *
   * @throws AppError `RESTORE_NOT_EMPTY`; the system's error with the path
   */
  static async open({ directory, staging: name, others }: TargetNames): Promise<EmptyTarget> {
    const allowed = [name, 'lost+found', ...others.filter((other) => other.startsWith(`${directory}/`)).map(first)]
    function first(other: string): string {
      return other.slice(directory.length + 1).split('/')[0] ?? ''
    }
    const found = (await namesIn(directory)).filter((entry) => !allowed.includes(entry))
    if (found.length > 0) throw notEmpty(directory, found)
    const made = await makeDirectory(directory)
    const target = new EmptyTarget(directory, join(directory, name), made)
    try {
      await asOwnerOf(directory, async () => {
        await rm(target.staging, { recursive: true, force: true })
        await mkdir(target.staging, { mode: 0o700 })
      })
    } catch (error) {
      await target.undo()
      throw error
    }
    return target
  }

  /** Moves what was unpacked to its place; `last` is the name without which nothing counts. */
  async moveIn(last?: string): Promise<void> {
    const names = (await readdir(this.staging)).toSorted((a, b) => Number(a === last) - Number(b === last))
    await asOwnerOf(this.#directory, async () => {
      for (const name of names) {
        await rename(join(this.staging, name), join(this.#directory, name))
        this.#moved.push(name)
      }
      await rm(this.staging, { recursive: true })
      await syncDirectory(this.#directory)
    })
  }

  /** Restores the state before. */
  async undo(): Promise<void> {
    await asOwnerOf(this.#directory, async () => {
      for (const name of this.#moved) await rm(join(this.#directory, name), { recursive: true, force: true })
      await rm(this.staging, { recursive: true, force: true })
    })
    const made = this.#made
    if (made !== undefined) await asOwnerOf(dirname(made), () => rm(made, { recursive: true, force: true }))
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Returns the first directory that had to be created. */
async function makeDirectory(path: string): Promise<string | undefined> {
  try {
    await stat(path)
    return undefined
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
  const above = await makeDirectory(dirname(path))
  try {
    await asOwnerOf(dirname(path), async () => {
      await mkdir(path, { mode: 0o700 })
      await syncDirectory(dirname(path))
    })
  } catch (error) {
    if (above !== undefined) await rm(above, { recursive: true, force: true })
    throw error
  }
  return above ?? path
}

function notEmpty(directory: string, found: readonly string[]): AppError {
  const shown = found.slice(0, 3).join(', ')
  const more = found.length > 3 ? ` and ${found.length - 3} more` : ''
  return new AppError(
    'RESTORE_NOT_EMPTY',
    `${directory} is not empty: ${shown}${more}.`,
    `A relay is restored only where there is none. Move it away first: \`mv ${directory} ${directory}.old\``,
  )
}
