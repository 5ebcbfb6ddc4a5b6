import { existsSync, readFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as v from 'valibot'
import { AppError } from '../../errors/app-error.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { errorCode } from '../../system/error-code.ts'
import { removeAbandoned } from '../../system/temporary-file.ts'
import { type Journal, type JournalEntry, journalSchema } from './entries.ts'

/*
 * onion-setup.json: what `tor setup` and `tor rotate` have changed, each change recorded before it is made, so that a
 * failed setup and `tor remove` revert exactly that.
 */

export function journalFile(keyFile: string): string {
  return join(dirname(keyFile), 'onion-setup.json')
}

/** Whether a setup is running, or was interrupted; for the relay, which waits for its end. */
export function isSetupUnfinished(keyFile: string): boolean {
  const path = journalFile(keyFile)
  if (!existsSync(path)) return false
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), journalSchema), readFileSync(path, 'utf8'))
  return parsed.success && parsed.output.unfinished !== undefined
}

export class SetupJournal {
  readonly #path: string
  #content: Journal

  private constructor(path: string, content: Journal) {
    this.#path = path
    this.#content = content
  }

  /**
   * Also removes what a setup that was killed has left of files that it was writing.
   *
   * @param keyFile `onion.key`; the journal is beside it
   * @throws AppError `SETUP_JOURNAL`
   */
  static async open(keyFile: string): Promise<SetupJournal> {
    const path = journalFile(keyFile)
    await removeAbandoned(dirname(path))
    return new SetupJournal(path, await read(path))
  }

  /** In the order in which the changes were made. */
  get entries(): readonly JournalEntry[] {
    return this.#content.changes
  }

  /** The changes of a setup that was interrupted; `undefined` when none was. */
  get unfinished(): readonly JournalEntry[] | undefined {
    const { unfinished, changes } = this.#content
    return unfinished === undefined ? undefined : changes.slice(changes.length - unfinished)
  }

  /** Marks the beginning of a setup; should this process be killed, the next one knows what it left. */
  async begin(): Promise<void> {
    await this.#write({ ...(await read(this.#path)), unfinished: 0 })
  }

  /** Marks its end. */
  async finish(): Promise<void> {
    const { version, changes } = await read(this.#path)
    await this.#write({ version, changes })
  }

  /** Records a change, durably; call it before the change is made. */
  async add(added: JournalEntry): Promise<void> {
    const { unfinished, changes, version } = await read(this.#path)
    await this.#write({
      version,
      ...(unfinished !== undefined && { unfinished: unfinished + 1 }),
      changes: [...changes, added],
    })
  }

  /** Removes a change that was reverted. */
  async strike(struck: JournalEntry): Promise<void> {
    const { version, unfinished, changes } = await read(this.#path)
    const text = JSON.stringify(struck)
    const at = changes.findLastIndex((other) => JSON.stringify(other) === text)
    if (at < 0) return
    const isOfUnfinished = unfinished !== undefined && at >= changes.length - unfinished
    await this.#write({
      version,
      ...(unfinished !== undefined && { unfinished: isOfUnfinished ? unfinished - 1 : unfinished }),
      changes: changes.filter((_, index) => index !== at),
    })
  }

  async #write(content: Journal): Promise<void> {
    if (content.changes.length === 0 && content.unfinished === undefined) await rm(this.#path, { force: true })
    else {
      const text = `${JSON.stringify(content, undefined, 2)}\n`
      await writeDurably(this.#path, text, { mode: 0o600, ifExists: 'replace' }).catch((error: unknown) => {
        throw notWritable(dirname(this.#path), error)
      })
    }
    this.#content = content
  }
}

/** The system's error would name a temporary file. */
function notWritable(directory: string, error: unknown): unknown {
  if (!['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error) ?? '')) return error
  const remedy = `Let the relay's user write there, as root: chown USER ${directory} && chmod u+rwx ${directory}`
  return new AppError('SETUP_JOURNAL', `This user may not write to ${directory}.`, remedy, { cause: error })
}

async function read(path: string): Promise<Journal> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { version: 2, changes: [] }
    const remedy = 'Run the command as the user that owns it.'
    throw new AppError('SETUP_JOURNAL', `${path} cannot be read.`, remedy, { cause: error })
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), journalSchema), text)
  if (parsed.success) return parsed.output
  const remedy = `Move it away: mv ${path} ${path}.bad. What it lists must then be reverted manually.`
  throw new AppError('SETUP_JOURNAL', `${path} is not a setup journal of this version.`, remedy)
}
