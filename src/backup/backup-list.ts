import { readFile } from 'node:fs/promises'
import * as v from 'valibot'
import { writeDurably } from '../system/durable-file.ts'
import { errorCode } from '../system/error-code.ts'

/*
 * The file `backups.json` in the state directory: what this relay knows of its automatic backups. It is not in a backup
 * itself, so a relay that was restored somewhere else never takes the files of another one for its own.
 */

const time = v.pipe(v.string(), v.isoTimestamp())

const madeBackup = v.object({
  file: v.string(),
  /** As the file was when it was complete: bytes, and milliseconds since the epoch. */
  size: v.number(),
  modifiedMs: v.number(),
  /** When the snapshot was taken. */
  madeAt: time,
})

export type MadeBackup = v.InferOutput<typeof madeBackup>

const backupFailure = v.object({ at: time, message: v.string(), remedy: v.optional(v.string()) })

export type BackupFailure = v.InferOutput<typeof backupFailure>

const listContent = v.object({
  format: v.literal(1),
  /** In the order in which they were made. */
  made: v.array(madeBackup),
  /** The next one is due at the first scheduled time after this one. */
  succeededAt: v.optional(time),
  /** Why there is none since then. */
  failure: v.optional(backupFailure),
  /** The file that is being written, or was when the relay was killed. */
  unfinished: v.optional(v.object({ file: v.string(), madeAt: time })),
})

export type BackupList = v.InferOutput<typeof listContent>

/** An empty list without a file; undefined when the file is damaged. */
export async function readBackupList(path: string): Promise<BackupList | undefined> {
  try {
    const found = v.safeParse(v.pipe(v.string(), v.parseJson(), listContent), await readFile(path, 'utf8'))
    return found.success ? found.output : undefined
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { format: 1, made: [] }
    throw error
  }
}

export async function writeBackupList(path: string, list: BackupList): Promise<void> {
  await writeDurably(path, `${JSON.stringify(list, undefined, 2)}\n`, { mode: 0o600, ifExists: 'replace' })
}
