import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { AppError } from '../errors/app-error.ts'
import type { ErrorCode } from '../errors/codes.ts'
import { errorCode } from './error-code.ts'

/** Bytes; no file with one key is larger, encrypted or not. */
const LIMIT = 16 * 1024

/**
 * Reads a small regular file that the operator named.
 *
 * @param hint how to pass the right file; the remedy of every fault but permissions
 * @throws AppError `FILE_TOO_LONG`, and whatever `withRegularFile` throws
 */
export async function readSmallFile(path: string, hint: string): Promise<Buffer> {
  return await withRegularFile(path, hint, async (file, size) => {
    if (size > LIMIT) {
      throw new AppError('FILE_TOO_LONG', `${path} has ${size} bytes, which is too large for a key.`, hint)
    }
    return await file.readFile()
  })
}

/**
 * Opens a file that the operator named for reading, until `use` has finished: no directory, device or pipe.
 *
 * @param hint how to pass the right file; the remedy of every fault but permissions
 * @throws AppError `FILE_MISSING`, `FILE_UNREADABLE`, `FILE_KIND`, `FILE_EMPTY`; and what `use` throws
 */
export async function withRegularFile<T>(
  path: string,
  hint: string,
  use: (file: FileHandle, size: number) => Promise<T>,
): Promise<T> {
  const fault = (code: ErrorCode, what: string, remedy = hint): AppError =>
    new AppError(code, `${path} ${what}.`, remedy)
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    switch (errorCode(error)) {
      case 'ENOENT':
      case 'ENOTDIR':
        throw fault('FILE_MISSING', 'does not exist')
      case 'EACCES':
      case 'EPERM':
        throw fault('FILE_UNREADABLE', 'cannot be read by this user', 'Run the command as the user that owns it.')
      default:
        throw fault('FILE_UNREADABLE', `cannot be read (${errorCode(error) ?? String(error)})`)
    }
  })
  try {
    const found = await file.stat()
    if (found.isDirectory()) throw fault('FILE_KIND', 'is a directory')
    if (!found.isFile()) throw fault('FILE_KIND', 'is not a file')
    if (found.size === 0) throw fault('FILE_EMPTY', 'is empty')
    return await use(file, found.size)
  } finally {
    await file.close()
  }
}
