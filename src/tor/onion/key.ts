import { readFile } from 'node:fs/promises'
import { decodeOnionKey, encodeOnionKey, type OnionKey } from '../../crypto/onion-key.ts'
import { AppError } from '../../errors/app-error.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { errorCode } from '../../system/error-code.ts'

/** The key that will replace `keyFile`, while both are published. */
export function nextKeyFile(keyFile: string): string {
  return `${keyFile.replace(/\.key$/, '')}-next.key`
}

/**
 * Reads the key file; `undefined` when there is none.
 *
 * @throws AppError `ONION_KEY_UNREADABLE`, `ONION_KEY_DAMAGED`
 */
export async function readOnionKey(path: string): Promise<OnionKey | undefined> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    const remedy = `Give it to the user that runs the relay: chown USER ${path} && chmod 600 ${path}`
    throw new AppError('ONION_KEY_UNREADABLE', `The onion key ${path} cannot be read.`, remedy, { cause: error })
  }
  const key = decodeOnionKey(bytes)
  if (key) return key
  const remedy = 'Restore it: `smp-server tor key restore FILE`. Only this key gives the onion address.'
  throw new AppError('ONION_KEY_DAMAGED', `${path} is not an onion key.`, remedy)
}

/**
 * Writes a new key, durable before this returns, with mode 0600. An existing file is never replaced.
 *
 * @throws AppError `ONION_KEY_EXISTS`, `ONION_KEY_UNWRITABLE`
 */
export async function saveOnionKey(path: string, key: OnionKey): Promise<void> {
  try {
    await writeDurably(path, encodeOnionKey(key), { mode: 0o600, ifExists: 'fail' })
  } catch (error) {
    if (errorCode(error) === 'EEXIST') {
      const remedy = 'Another smp-server may be setting it up. Run the command again.'
      throw new AppError('ONION_KEY_EXISTS', `The onion key ${path} appeared in the meantime.`, remedy)
    }
    const remedy = 'Run the command as the user that owns this directory.'
    throw new AppError('ONION_KEY_UNWRITABLE', `The onion key ${path} cannot be written.`, remedy, { cause: error })
  }
}
