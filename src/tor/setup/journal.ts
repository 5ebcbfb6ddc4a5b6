import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as v from 'valibot'
import { AppError } from '../../errors/app-error.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { errorCode } from '../../system/error-code.ts'
import { iniChange, type IniEditor } from '../../config/ini-edit.ts'
import { type IniFile, replaceIni, requireUnchanged } from '../../config/ini-file.ts'

/*
 * onion-setup.json: what `tor setup` and `tor rotate` have changed, each change written down before it is made, so that
 * a failed setup and `tor remove` can take back exactly that. Names of things stand in it, never paths: whoever may
 * write this file must not thereby lead root to other files.
 */

/** Files and directories that were not there before. */
const made = v.object({ type: v.literal('made'), what: v.picklist(['key', 'record', 'ports', 'tor']) })

/** Debian's instance with its user; and which of the directories above it were not there. */
const instance = v.object({
  type: v.literal('instance'),
  name: v.string(),
  parents: v.array(v.picklist(['/etc/tor/instances', '/var/lib/tor-instances'])),
})

const torrc = v.object({
  type: v.literal('torrc'),
  name: v.string(),
  /** `null`: there was none. */
  before: v.nullable(v.string()),
})

const member = v.object({ type: v.literal('member'), name: v.string(), user: v.string() })

const unit = v.object({ type: v.literal('unit'), name: v.string(), was: v.picklist(['stopped', 'running']) })

/** Lines of a service in a torrc became comments; paths only say where to look for them. */
const adopted = v.object({ type: v.literal('adopted'), torrc: v.string(), file: v.string() })

/** A file with a service for a tor of the system, and where it is included. */
const included = v.object({
  type: v.literal('included'),
  torrc: v.nullable(v.string()),
  file: v.string(),
  before: v.nullable(v.string()),
})

const change = v.variant('type', [made, iniChange, instance, torrc, member, unit, adopted, included])
const journal = v.object({ version: v.literal(1), changes: v.array(change) })

export type Change = v.InferOutput<typeof change>

export function journalFile(keyFile: string): string {
  return join(dirname(keyFile), 'onion-setup.json')
}

export class SetupJournal {
  readonly #path: string
  #changes: readonly Change[]

  private constructor(path: string, changes: readonly Change[]) {
    this.#path = path
    this.#changes = changes
  }

  /**
   * @param keyFile `onion.key`; the journal is beside it
   * @throws AppError `SETUP_JOURNAL`
   */
  static async open(keyFile: string): Promise<SetupJournal> {
    const path = journalFile(keyFile)
    return new SetupJournal(path, await readChanges(path))
  }

  /** In the order in which they were made. */
  get changes(): readonly Change[] {
    return this.#changes
  }

  /** Writes a change down, durably; to be called before it is made. */
  async add(added: Change): Promise<void> {
    await this.#write([...(await readChanges(this.#path)), added])
  }

  /** Strikes out a change that was taken back, or never made; with the last one the file goes. */
  async strike(change: Change): Promise<void> {
    const changes = await readChanges(this.#path)
    const text = JSON.stringify(change)
    const at = changes.findLastIndex((other) => JSON.stringify(other) === text)
    await this.#write(changes.filter((_, index) => index !== at))
  }

  async #write(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) await rm(this.#path, { force: true })
    else {
      const text = `${JSON.stringify({ version: 1, changes }, undefined, 2)}\n`
      await writeDurably(this.#path, text, { mode: 0o600, ifExists: 'replace' }).catch((error: unknown) => {
        throw notWritable(dirname(this.#path), error)
      })
    }
    this.#changes = changes
  }
}

/** The system's error would name a file that nobody knows. */
function notWritable(directory: string, error: unknown): unknown {
  if (!['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error) ?? '')) return error
  const remedy = 'Run the command as the user that the relay belongs to, e.g. `sudo -u smp smp-server …`.'
  return new AppError('SETUP_JOURNAL', `This user may not write to ${directory}.`, remedy, { cause: error })
}

async function readChanges(path: string): Promise<readonly Change[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    const remedy = 'Run the command as the user that owns it.'
    throw new AppError('SETUP_JOURNAL', `${path} cannot be read.`, remedy, { cause: error })
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), journal), text)
  if (parsed.success) return parsed.output.changes
  const remedy = 'Move it away; what it was to take back must then be taken back by hand.'
  throw new AppError('SETUP_JOURNAL', `${path} is not a record of changes.`, remedy)
}

/**
 * Writes an edited INI file, and before that what is going to change.
 *
 * @returns whether there was anything to change
 * @throws AppError `INI_CHANGED`, and the system's error
 */
export async function changeIni(
  path: string,
  before: IniFile,
  editor: IniEditor,
  journal: SetupJournal,
): Promise<boolean> {
  const { change: edits, text } = editor
  if (!edits) return false
  await requireUnchanged(path, before)
  await journal.add(edits)
  await replaceIni(path, before, text)
  return true
}
