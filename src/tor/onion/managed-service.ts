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
 * A service whose key tor keeps in a HiddenServiceDir:
 *
 *   hostname                  the name and a line feed
 *   hs_ed25519_public_key     32 bytes of header, 32 of key
 *   hs_ed25519_secret_key     as onion.key
 */

/** tor's own name of its service, from two files that must agree; `undefined` when there is none yet. */
export async function managedHostname(directory: string): Promise<OnionHostname | undefined> {
  const path = join(directory, 'hostname')
  const [text, publicKey] = await Promise.all([
    readIfThere(path),
    readIfThere(join(directory, 'hs_ed25519_public_key')),
  ])
  if (text === undefined || publicKey === undefined) return undefined
  const hostname = parseOnionHostname(text.toString('latin1').trim())
  if (publicKey.length === 64 && hostname === onionHostname(serviceIdOf(publicKey.subarray(32)))) return hostname
  const remedy = 'Find out who changed it; without the file tor writes it anew when it is restarted.'
  throw new AppError('ONION_MISMATCH', `${path} does not hold the name that the key beside it gives.`, remedy)
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    const remedy = 'Run the command as root, and see that it is a file.'
    throw new AppError('ONION_UNREADABLE', `${path} cannot be read.`, remedy, { cause: error })
  }
}

/**
 * Waits until tor has made its service. On its first start it sometimes does not; then one restart helps.
 *
 * @throws AppError `ONION_NOT_MADE`, and as of `managedHostname`
 */
export async function awaitHostname(
  directory: string,
  unit: string,
  restart: () => Promise<void>,
  patienceMs = 6000,
): Promise<OnionHostname> {
  for (const attempt of [1, 2]) {
    const deadline = performance.now() + patienceMs
    while (performance.now() < deadline) {
      const hostname = await managedHostname(directory)
      if (hostname !== undefined) return hostname
      await sleep(100)
    }
    if (attempt === 1) await restart()
  }
  const message = `${unit} has not made the onion service in ${directory}.`
  throw new AppError('ONION_NOT_MADE', message, `See: journalctl -u ${unit} -n 30`)
}

/**
 * Puts a key where tor will find it.
 *
 * @param beside a path with the owner that the directory must have
 * @throws AppError `ONION_KEY_OTHER`
 */
export async function placeManagedKey(directory: string, key: OnionKey, beside: string): Promise<boolean> {
  const path = join(directory, 'hs_ed25519_secret_key')
  if ((await readIfThere(path)) !== undefined) {
    const present = await readForeignKey(path)
    if (present.serviceId === key.serviceId) return false
    const message = `${path} is the key of ${present.hostname} already.`
    throw new AppError('ONION_KEY_OTHER', message, `Move ${directory} away first, if that name is not needed any more.`)
  }
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const { uid, gid } = await stat(beside)
  await chown(directory, uid, gid)
  await writeDurably(path, encodeOnionKey(key), { mode: 0o600, ifExists: 'fail' })
  return true
}
