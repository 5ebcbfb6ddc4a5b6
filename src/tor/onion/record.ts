import { readFile, rm } from 'node:fs/promises'
import * as v from 'valibot'
import { AppError } from '../../errors/app-error.ts'
import { iniValue } from '../../config/ini.ts'
import { writeDurably } from '../../system/durable-file.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'

/*
 * How the service of a key is run, beside the key: onion.json for onion.key. tor itself takes a key in either mode
 * without a word, and a name that was once used in the other mode tells what it should not.
 *
 *   {"hostname":"….onion","mode":"single-hop","createdAt":"2025-01-31T12:00:00.000Z"}
 */

export type OnionMode = 'single-hop' | 'anonymous'

const onionRecord = v.object({
  hostname: v.string(),
  mode: v.picklist(['single-hop', 'anonymous']),
  createdAt: v.string(),
})

/** `onion.json` for `onion.key`. */
export function recordFile(keyFile: string): string {
  return `${keyFile.replace(/\.key$/, '')}.json`
}

/** In which mode the relay runs its service: `[TOR] single_hop`, which is on when missing. */
export function modeOfIni(ini: string): OnionMode {
  return iniValue(ini, 'TOR', 'single_hop') === 'off' ? 'anonymous' : 'single-hop'
}

/**
 * Makes sure that the relay keeps its key itself.
 *
 * @throws AppError `ONION_KEY_ELSEWHERE` when tor does, as `[TOR] mode = torrc` says
 */
export function requireOwnKey(ini: string): void {
  if (iniValue(ini, 'TOR', 'mode') !== 'torrc') return
  throw new AppError(
    'ONION_KEY_ELSEWHERE',
    'With [TOR] mode = torrc the key of the onion service is with tor, and not with the relay.',
    'Look after hs_ed25519_secret_key in its HiddenServiceDir instead, or run `smp-server tor remove` first.',
  )
}

/** In which mode this key was used as far as was written down; a record of another key does not count. */
export async function readOnionMode(keyFile: string, key: OnionKey): Promise<OnionMode | undefined> {
  const text = await readFile(recordFile(keyFile), 'utf8').catch(() => '')
  const record = v.safeParse(v.pipe(v.string(), v.parseJson(), onionRecord), text)
  return record.success && record.output.hostname === key.hostname ? record.output.mode : undefined
}

export async function writeOnionRecord(keyFile: string, key: OnionKey, mode: OnionMode): Promise<void> {
  const record = { hostname: key.hostname, mode, createdAt: new Date().toISOString() }
  await writeDurably(recordFile(keyFile), `${JSON.stringify(record)}\n`, { mode: 0o600, ifExists: 'replace' })
}

export async function deleteOnionRecord(keyFile: string): Promise<void> {
  await rm(recordFile(keyFile), { force: true })
}

/**
 * Refuses a key that was used in the other mode; one of which nothing is known may be used.
 *
 * @param whose names the key in the message
 * @throws AppError `ONION_KEY_ANONYMOUS`, `ONION_KEY_SINGLE_HOP`
 */
export function requireMode(used: OnionMode | undefined, wanted: OnionMode, whose: string): void {
  if (used === undefined || used === wanted) return
  if (wanted === 'single-hop') {
    throw new AppError(
      'ONION_KEY_ANONYMOUS',
      `${whose} is the key of an anonymous onion service, and single-hop mode would show where that service is.`,
      'Use another key; if nothing has to stay hidden any more, `smp-server tor key import FILE --from-anonymous`.',
    )
  }
  throw new AppError(
    'ONION_KEY_SINGLE_HOP',
    `${whose} is the key of a single-hop onion service, so where it is can be known already.`,
    'Use a new key for an anonymous service.',
  )
}
