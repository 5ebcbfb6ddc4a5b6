import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import { resolvePaths } from '../config/paths.ts'
import { checkStoreAt } from '../store/check/store-check.ts'
import type { StoreCounts } from '../store/store.ts'
import { exists } from '../store/upstream/files.ts'
import { storeName } from './contents.ts'
import type { BackupSource } from './source.ts'
import { type KeyFor, unpackBackup, type Unpacked } from './unpack.ts'

export interface VerifyOptions {
  readonly source: BackupSource
  readonly keyFor: KeyFor
  /** Where it is unpacked meanwhile: a private directory is made in it, and removed in the end. */
  readonly temporary: string
  /** Ends it with its reason. */
  readonly signal: AbortSignal
}

export interface Verified extends Unpacked {
  /** What was found in the store; undefined without a store. */
  readonly counts: StoreCounts | undefined
}

/**
 * Does everything that a restore does, in a temporary directory, and checks every record of the store.
 *
 * @throws AppError `BACKUP_CONTENT` with what is wrong, and whatever `unpackBackup` throws
 */
export async function verifyBackup({ source, keyFor, temporary, signal }: VerifyOptions): Promise<Verified> {
  const directory = await mkdtemp(join(temporary, 'smp-server-verify-'))
  try {
    const staged = resolvePaths({
      SMP_SERVER_CFG_PATH: join(directory, 'config'),
      SMP_SERVER_LOG_PATH: join(directory, 'state'),
    })
    await mkdir(staged.configDir, { mode: 0o700 })
    await mkdir(staged.stateDir, { mode: 0o700 })
    const roomRemedy = 'Unpack it on another disk: `TMPDIR=DIRECTORY smp-server backup verify FILE`'
    const unpacked = await unpackBackup({ source, keyFor, staged, final: staged, roomRemedy, signal })
    const counts = (await exists(staged.store)) ? await checkStore(staged.store, source.name) : undefined
    return { ...unpacked, counts }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function checkStore(path: string, source: string): Promise<StoreCounts> {
  const { counts, faults } = await checkStoreAt(path).catch((error: unknown) => {
    if (!(error instanceof AppError)) throw error
    return { counts: undefined, faults: [error.message] }
  })
  if (counts !== undefined && faults.length === 0) return counts
  const what = faults.slice(0, 3).join('; ')
  const more = faults.length > 3 ? `; and ${faults.length - 3} more` : ''
  throw new AppError('BACKUP_CONTENT', `${storeName} of ${source} is damaged: ${what}${more}.`, 'Use an older backup.')
}
