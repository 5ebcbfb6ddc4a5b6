import { TorRefusal } from '../control/errors.ts'
import type { TorControl } from '../control/tor-control.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import { nextKeyFile, readOnionKey } from './key.ts'

/*
 * The services of a running tor, kept in step with the key files: a rotation begins and ends, or a key is brought
 * back, while the relay runs.
 */

/** Keys whose services a tor has: that of the relay's name, and that of its next name. */
export interface HeldKeys {
  readonly primary: OnionKey
  readonly next?: OnionKey | undefined
}

/** What the files hold; one that is missing or damaged is passed over. */
export interface KeptKeys {
  readonly primary?: OnionKey | undefined
  readonly next?: OnionKey | undefined
}

export async function readKeptKeys(keyFile: string): Promise<KeptKeys> {
  const read = (path: string): Promise<OnionKey | undefined> => readOnionKey(path).catch(() => undefined)
  return { primary: await read(keyFile), next: await read(nextKeyFile(keyFile)) }
}

/**
 * Adds the services of new keys, and takes those of gone ones away. While the key of the relay's name is missing its
 * service stays.
 *
 * @param add adds the service of a key to this tor
 * @returns `held` itself when nothing has changed
 * @throws AppError of `add`
 */
export async function followKeys(
  control: TorControl,
  held: HeldKeys,
  kept: KeptKeys,
  add: (key: OnionKey) => Promise<unknown>,
): Promise<HeldKeys> {
  const primary = kept.primary && !isSame(kept.primary, held.primary) ? kept.primary : held.primary
  const next = isSame(kept.next, held.next) ? held.next : kept.next
  if (primary === held.primary && next === held.next) return held
  const before = [held.primary, held.next]
  const after = [primary, next]
  for (const key of after) {
    if (key && !before.some((other) => isSame(other, key))) await add(key)
  }
  for (const key of before) {
    if (key && !after.some((other) => isSame(other, key))) await takeAway(control, key)
  }
  return { primary, next }
}

/** Takes a service out of a tor; it may be gone already. */
export async function takeAway(control: TorControl, key: OnionKey): Promise<void> {
  try {
    await control.delOnion(key.serviceId)
  } catch (error) {
    if (!(error instanceof TorRefusal)) throw error
  }
}

function isSame(one: OnionKey | undefined, other: OnionKey | undefined): boolean {
  return one?.serviceId === other?.serviceId
}
