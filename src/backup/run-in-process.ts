import { type ChildProcess, fork } from 'node:child_process'
import { setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { AppError } from '../errors/app-error.ts'
import type { ErrorCode } from '../errors/codes.ts'
import type { Paths } from '../config/paths.ts'
import type { BackupLock } from '../config/settings.ts'
import type { StoreCounts } from '../store/store.ts'

export interface BackupRequest {
  readonly paths: Paths
  readonly file: string
  readonly lock: BackupLock
  /** ISO 8601. */
  readonly madeAt: string
}

export interface MadeReply {
  readonly type: 'made'
  readonly counts: StoreCounts | undefined
  /** Bytes of the file. */
  readonly size: number
}

export type BackupReply =
  | MadeReply
  | {
      readonly type: 'failed'
      /** Undefined for a bug. */
      readonly code: ErrorCode | undefined
      readonly message: string
      readonly remedy: string | undefined
    }

/** Makes one backup. Rejects with an AppError, or with the reason of the signal once everything has ended. */
export type BackupRunner = (request: BackupRequest, signal: AbortSignal) => Promise<MadeReply>

/** Written as TypeScript or compiled, as this file is. */
const PROGRAM = fileURLToPath(import.meta.url).replace(/run-in-process(\.[jt]s)$/, 'backup-process$1')
/** The lowest there is: the process works when nobody else wants to. */
const PRIORITY = 19
/** Encryption leaves much garbage, which is collected early: in MiB. */
const HEAP = ['--max-semi-space-size=1']
/** How long an interrupted process may take to clean up, in milliseconds. */
const GRACE_MS = 5000

/** In a process of its own, of the lowest priority. */
export const backupInProcess: BackupRunner = async (request, signal) => {
  const child = fork(PROGRAM, {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [...process.execArgv, ...HEAP],
  })
  try {
    if (child.pid !== undefined) setPriority(child.pid, PRIORITY)
  } catch {
    // It has ended, which shows below.
  }
  const reply = await replyOf(child, request, signal)
  signal.throwIfAborted()
  if (reply === undefined) {
    const how = child.signalCode ?? `exit code ${child.exitCode ?? 'unknown'}`
    throw new AppError('BACKUP_INTERRUPTED', `The process that made the backup ended early (${how}).`)
  }
  if (reply.type === 'made') return reply
  if (reply.code === undefined) throw new Error(reply.message)
  throw new AppError(reply.code, reply.message, reply.remedy)
}

/** What the process says before it ends; undefined when it says nothing. */
async function replyOf(
  child: ChildProcess,
  request: BackupRequest,
  signal: AbortSignal,
): Promise<BackupReply | undefined> {
  let kill: NodeJS.Timeout | undefined
  const interrupt = (): void => {
    child.kill('SIGTERM')
    kill = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  }
  signal.addEventListener('abort', interrupt)
  try {
    return await new Promise((resolve, reject) => {
      let reply: BackupReply | undefined
      child.once('message', (message: BackupReply) => (reply = message))
      child.once('error', reject)
      child.once('exit', () => resolve(reply))
      child.send(request)
      if (signal.aborted) interrupt()
    })
  } finally {
    clearTimeout(kill)
    signal.removeEventListener('abort', interrupt)
  }
}
