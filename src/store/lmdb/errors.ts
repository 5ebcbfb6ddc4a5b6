import { AppError } from '../../errors/app-error.ts'
import type { ErrorCode } from '../../errors/codes.ts'
import { errorCode } from '../../system/error-code.ts'
import { processText } from '../../system/process-text.ts'

// What can be wrong with the directory of the message store, each with the command that helps.

const REPAIR =
  'Restore a backup with `smp-server restore FILE`, or save what can be read with `smp-server store check --repair`.'

export function notADirectory(path: string): AppError {
  return new AppError(
    'STORE_NOT_A_DIRECTORY',
    `The message store ${path} is not a directory.`,
    `Move it away: mv ${path} ${path}.old`,
  )
}

export function notAFile(path: string, file: string): AppError {
  return new AppError(
    'STORE_NOT_A_FILE',
    `The message store ${path} cannot be opened: ${file} is not a regular file.`,
    `Move it away and restore a backup: mv ${file} ${file}.old`,
  )
}

/** @param pid the process that was seen; undefined for one in another container */
export function inUse(path: string, pid: number | undefined): AppError {
  const user = pid === undefined ? 'a process in another container' : processText(pid)
  return new AppError(
    'STORE_IN_USE',
    `The message store ${path} is in use by ${user}.`,
    'Stop the relay first: `systemctl stop smp-server`, or end that process.',
  )
}

export function damaged(path: string, what: string): AppError {
  return new AppError('STORE_DAMAGED', `The message store ${path} is damaged: ${what}.`, REPAIR)
}

/** Damage as a copy has that was made of files in use. */
export function copiedInUse(path: string, what: string): AppError {
  return new AppError(
    'STORE_COPY',
    `The message store ${path} is damaged: ${what}. It looks like a copy made while the relay was running.`,
    'Back up a running relay with `smp-server backup FILE`, and restore that with `smp-server restore FILE`.',
  )
}

export function missing(path: string): AppError {
  return new AppError(
    'STORE_MISSING',
    `The message store ${path} is missing or empty, but ${path}.log says that it holds queues.`,
    `Restore a backup with \`smp-server restore FILE\`, or begin without queues: rm ${path}.log`,
  )
}

export function newerFormat(
  path: string,
  format: number | undefined,
  supported: number,
  since: string | undefined,
): AppError {
  const version = since === undefined ? 'a newer version of smp-server' : `smp-server ${since}`
  return new AppError(
    'STORE_FORMAT',
    `The message store ${path} has format ${format ?? 'unknown'}, written by ${version}; this version reads up to format ${supported}.`,
    `Install ${since === undefined ? 'that version' : `smp-server ${since}`} or later. The store has not been changed.`,
  )
}

export function cannotOpen(path: string, cause: unknown): AppError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const [code, remedy] = causeRemedy(path, errorCode(cause))
  return new AppError(code, `The message store ${path} cannot be opened: ${reason}.`, remedy, { cause })
}

function causeRemedy(path: string, code: string | undefined): [code: ErrorCode, remedy: string] {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return ['STORE_NOT_WRITABLE', `Give it to the user that runs the relay: chown -R USER ${path}`]
    case 'EROFS':
      return ['STORE_NOT_WRITABLE', 'Mount the file system read-write.']
    case 'ENOSPC':
    case 'EDQUOT':
      return ['DISK_FULL', `Free some disk space: df ${path}`]
    case 'EIO':
      return [
        'STORE_UNREADABLE',
        'The disk fails to read: see `dmesg`, replace the disk, and restore a backup with `smp-server restore FILE`.',
      ]
    default:
      return ['STORE_UNREADABLE', REPAIR]
  }
}
