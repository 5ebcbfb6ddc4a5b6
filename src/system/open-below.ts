import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants

/**
 * Opens a file or directory below a directory of another user: no part of the way below it may be a link, whatever that
 * user does meanwhile.
 *
 * @param names parts of the way, none of them `..`
 * @throws the system's error; `ELOOP` or `ENOTDIR` for a link
 */
export async function openBelow(directory: string, names: readonly string[]): Promise<FileHandle> {
  let current = await open(directory, O_RDONLY | O_DIRECTORY)
  for (const [n, name] of names.entries()) {
    const kind = n < names.length - 1 ? O_DIRECTORY : O_NONBLOCK
    const above = current
    try {
      current = await open(`/proc/self/fd/${above.fd}/${name}`, O_RDONLY | O_NOFOLLOW | kind)
    } finally {
      await above.close()
    }
  }
  return current
}
