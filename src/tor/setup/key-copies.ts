import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { writeDurably } from '../../system/durable-file.ts'
import { encodeOnionKey, type OnionKey } from '../../crypto/onion-key.ts'
import { deleteOnionRecord, recordFile } from '../onion/record.ts'
import { dirname } from 'node:path'
import { asOwnerOf } from '../../system/owner.ts'

/**
 * Copies a key and its record to a name with the time in it, e.g. `onion-2025-01-31T12-00-00Z.key`.
 *
 * @returns the copy's path
 */
export async function copyKeyAside(keyFile: string): Promise<string> {
  const copy = await writeAside(keyFile, await readFile(keyFile))
  const record = await readFile(recordFile(keyFile)).catch(() => undefined)
  if (record) await writeDurably(recordFile(copy), record, { mode: 0o600, ifExists: 'fail' })
  return copy
}

/** The same for a key that is elsewhere. */
export async function saveKeyAside(keyFile: string, key: OnionKey): Promise<string> {
  return await writeAside(keyFile, encodeOnionKey(key))
}

async function writeAside(keyFile: string, content: Uint8Array): Promise<string> {
  const time = new Date()
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(':', '-')
  const name = (suffix: string): string => `${keyFile.replace(/\.key$/, '')}-${time}${suffix}.key`
  let copy = name('')
  for (let count = 2; existsSync(copy); count += 1) copy = name(`-${count}`)
  await writeDurably(copy, content, { mode: 0o600, ifExists: 'fail' })
  return copy
}

/** Deletes a key and its record. */
export async function deleteKey(keyFile: string): Promise<void> {
  await asOwnerOf(dirname(keyFile), () => rm(keyFile, { force: true }))
  await deleteOnionRecord(keyFile)
}
