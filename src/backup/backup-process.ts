import { AppError } from '../errors/app-error.ts'
import { systemError } from '../errors/system-error.ts'
import { ageLock } from './lock.ts'
import { makeBackup } from './make-backup.ts'
import type { BackupReply, BackupRequest } from './run-in-process.ts'
import { FileTarget } from './target.ts'

/*
 * A process of its own that makes one backup for a running relay, so that neither the work nor its memory is the relay's.
 * It ends when the relay does.
 */

const abort = new AbortController()
const end = (): void => abort.abort(new AppError('BACKUP_INTERRUPTED', 'The backup was interrupted.'))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
process.once('disconnect', end)
process.once('message', (request: BackupRequest) => void answer(request))

async function answer({ paths, file, lock, madeAt }: BackupRequest): Promise<void> {
  const reply = await make().catch((error: unknown): BackupReply => {
    const known = error instanceof AppError ? error : systemError(error)
    if (known) return { type: 'failed', code: known.code, message: known.message, remedy: known.remedy }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { type: 'failed', code: undefined, message: text, remedy: undefined }
  })
  // The relay may be gone.
  if (process.connected) process.send?.(reply, () => process.exit())
  else process.exit()

  async function make(): Promise<BackupReply> {
    const target = new FileTarget({ file, stateDir: paths.stateDir })
    const { counts, size } = await makeBackup({
      paths,
      target,
      lock: () => ageLock(lock),
      now: new Date(madeAt),
      signal: abort.signal,
    })
    return { type: 'made', counts, size }
  }
}
