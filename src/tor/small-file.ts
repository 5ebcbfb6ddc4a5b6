import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { AppError } from '../config/app-error.ts'
import { errorCode } from './error-code.ts'

/** Larger than every file with one key, encrypted or not. */
const limit = 16 * 1024

/**
 * Reads a file that the operator named, and that must be a small regular one: no directory, no device, no pipe that
 * nobody writes to.
 *
 * @param hint how to name the right file; the remedy of every fault but permissions
 * @throws AppError `FILE_MISSING`, `FILE_UNREADABLE`, `FILE_KIND`, `FILE_EMPTY`, `FILE_TOO_LONG`
 */
export async function readSmallFile(path: string, hint: string): Promise<Buffer> {
  const fault = (code: string, what: string, remedy = hint): AppError => new AppError(code, `${path} ${what}.`, remedy)
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const found = await file.stat()
      if (found.isDirectory()) throw fault('FILE_KIND', 'is a directory')
      if (!found.isFile()) throw fault('FILE_KIND', 'is not a file')
      if (found.size === 0) throw fault('FILE_EMPTY', 'is empty')
      if (found.size > limit) throw fault('FILE_TOO_LONG', `has ${found.size} bytes, which is too much for one key`)
      return await file.readFile()
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    switch (errorCode(error)) {
      case 'ENOENT':
      case 'ENOTDIR':
        throw fault('FILE_MISSING', 'does not exist')
      case 'EACCES':
      case 'EPERM':
        throw fault('FILE_UNREADABLE', 'may not be read by this user', 'Run the command as the user that owns it.')
      default:
        throw fault('FILE_UNREADABLE', `cannot be read (${errorCode(error) ?? String(error)})`)
    }
  }
}
