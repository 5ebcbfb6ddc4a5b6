import { AppError } from './app-error.ts'

/** An error of the system as a sentence with its remedy; `undefined` for other errors. */
export function systemError(error: unknown): AppError | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('path' in error) || typeof error.path !== 'string') {
    return undefined
  }
  const { path } = error
  const user = process.getuid ? `user ${process.getuid()}` : 'this user'
  switch (error.code) {
    case 'EACCES':
    case 'EPERM':
      return new AppError(
        'FILE_PERMISSION',
        `${path}: ${user} may not open or change it.`,
        'Run smp-server as the user that owns the relay, or give the directories to that user with `chown -R`.',
      )
    case 'EROFS':
      return new AppError('FILE_READ_ONLY', `${path} is on a file system that is mounted read-only.`)
    case 'ENOSPC':
      return new AppError(
        'DISK_FULL',
        `${path}: no space left on the disk.`,
        'Free some space and run the command again.',
      )
    case 'ENOENT':
      return new AppError('FILE_MISSING', `${path} does not exist.`)
    case 'ENOTDIR':
      return new AppError('FILE_KIND', `${path}: a part of this path is a file, not a directory.`)
    default:
      return undefined
  }
}
