import type { OnionKey } from '../../crypto/onion-key.ts'
import type { OnionHost } from './configured-onions.ts'
import { nextKeyFile, readOnionKey } from './key.ts'
import { removeService } from './service.ts'

/*
 * The services of a running tor, kept in step with the key files: a rotation begins and ends, or a key is restored,
 * while the relay runs.
 */

/** Keys whose services a tor has: that of the relay's address, and that of its next one. */
export interface ServedKeys {
  readonly primary: OnionKey
  readonly next?: OnionKey | undefined
}

/** What the files hold; one that is missing or damaged is skipped. */
export interface KeyFiles {
  readonly primary?: OnionKey | undefined
  readonly next?: OnionKey | undefined
}

export async function readKeyFiles(keyFile: string): Promise<KeyFiles> {
  const read = (path: string): Promise<OnionKey | undefined> => readOnionKey(path).catch(() => undefined)
  return { primary: await read(keyFile), next: await read(nextKeyFile(keyFile)) }
}

/**
 * Adds the services of new keys, and removes those of deleted ones. While the key of the relay's address is missing its
 * service stays.
 *
 * @param add adds the service of a key to this tor
 * @returns `served` itself when nothing has changed
 * @throws AppError of `add`
 */
export async function syncKeys(
  host: OnionHost,
  served: ServedKeys,
  files: KeyFiles,
  add: (key: OnionKey) => Promise<unknown>,
): Promise<ServedKeys> {
  const primary = files.primary && !isSame(files.primary, served.primary) ? files.primary : served.primary
  const next = isSame(files.next, served.next) ? served.next : files.next
  if (primary === served.primary && next === served.next) return served
  const before = [served.primary, served.next]
  const after = [primary, next]
  for (const key of after) {
    if (key && !before.some((other) => isSame(other, key))) await add(key)
  }
  for (const key of before) {
    if (key && !after.some((other) => isSame(other, key))) await removeService(host, key)
  }
  return { primary, next }
}

function isSame(one: OnionKey | undefined, other: OnionKey | undefined): boolean {
  return one?.serviceId === other?.serviceId
}
