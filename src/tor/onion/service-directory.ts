import { chown, mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors/app-error.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { errorCode } from '../../system/error-code.ts'
import { readForeignKey } from './key-import.ts'
import { onionHostname, parseOnionHostname, serviceIdOf, type OnionHostname } from '../../crypto/onion-address.ts'
import { encodeOnionKey, type OnionKey } from '../../crypto/onion-key.ts'

/*
 * A HiddenServiceDir, in which tor keeps the key of a service:
 *
 *   hostname                  the address and a line feed
 *   hs_ed25519_public_key     32 bytes of header, 32 of key
 *   hs_ed25519_secret_key     as onion.key
 */

/** The secret key of a HiddenServiceDir. */
export function directoryKeyFile(directory: string): string {
  return join(directory, 'hs_ed25519_secret_key')
}

/**
 * The address of the service, from two files that must agree; `undefined` when tor has not made it yet.
 *
 * @throws AppError `ONION_MISMATCH`, `ONION_UNREADABLE`
 */
export async function directoryHostname(directory: string): Promise<OnionHostname | undefined> {
  const path = join(directory, 'hostname')
  const [text, publicKey] = await Promise.all([
    readIfThere(path),
    readIfThere(join(directory, 'hs_ed25519_public_key')),
  ])
  if (text === undefined || publicKey === undefined) return undefined
  const hostname = parseOnionHostname(text.toString('latin1').trim())
  if (publicKey.length === 64 && hostname === onionHostname(serviceIdOf(publicKey.subarray(32)))) return hostname
  const remedy = `Remove ${path} and restart tor, which writes it again from the key.`
  throw new AppError('ONION_MISMATCH', `${path} does not match the key beside it.`, remedy)
}

/**
 * The key in a HiddenServiceDir; `undefined` when there is none.
 *
 * @throws AppError whatever `readForeignKey` throws
 */
export async function directoryKey(directory: string): Promise<OnionKey | undefined> {
  const path = directoryKeyFile(directory)
  if ((await readIfThere(path)) === undefined) return undefined
  return await readForeignKey(path)
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    const remedy = code === 'EACCES' ? 'Run the command with sudo.' : 'Check that it is a file.'
    throw new AppError('ONION_UNREADABLE', `${path} cannot be read.`, remedy, { cause: error })
  }
}

/**
 * Waits until tor has set up its service. On its first start it sometimes does not; then one restart helps.
 *
 * @throws AppError `ONION_NOT_MADE`, and whatever `directoryHostname` throws
 */
export async function awaitHostname(
  directory: string,
  unit: string,
  restart: () => Promise<void>,
  timeoutMs = 6000,
): Promise<OnionHostname> {
  for (const attempt of [1, 2]) {
    const deadline = performance.now() + timeoutMs
    while (performance.now() < deadline) {
      const hostname = await directoryHostname(directory)
      if (hostname !== undefined) return hostname
      await sleep(100)
    }
    if (attempt === 1) await restart()
  }
  const message = `${unit} has not created the onion service in ${directory}.`
  throw new AppError('ONION_NOT_MADE', message, `See: journalctl -u ${unit} -n 30`)
}

/**
 * Puts a key into a new HiddenServiceDir, or into one without a key.
 *
 * @param like a path with the owner that the directory must have
 * @throws AppError `ONION_KEY_OTHER`
 */
export async function placeDirectoryKey(directory: string, key: OnionKey, like: string): Promise<void> {
  const present = await directoryKey(directory)
  if (present?.serviceId === key.serviceId) return
  if (present) {
    const message = `${directoryKeyFile(directory)} is already the key of ${present.hostname}.`
    throw new AppError('ONION_KEY_OTHER', message, `If that address is no longer needed, move ${directory} away.`)
  }
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const { uid, gid } = await stat(like)
  await chown(directory, uid, gid)
  await writeDurably(directoryKeyFile(directory), encodeOnionKey(key), { mode: 0o600, ifExists: 'fail' })
}
