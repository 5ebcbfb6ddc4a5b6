import { readFile, rm } from 'node:fs/promises'
import * as v from 'valibot'
import { dirname } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import { asOwnerOf } from '../../system/owner.ts'
import { writeDurably } from '../../system/durable-file.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import type { ServiceType } from './service-config.ts'

/*
 * What `tor setup` arranged, beside the key: onion.json for onion.key.
 *
 *   {"hostname":"….onion","serviceType":"single-hop","mode":"own","createdAt":"2025-01-31T12:00:00.000Z"}
 *
 * The service type is here because tor itself accepts a key in either type without a word, and a service that changes
 * its type reveals what it should not. The mode is here because an INI file can be rendered anew by a template tool:
 * what carries the service does not change with it.
 */

/**
 * Whose tor carries the service: a child of the relay, an instance of the system, a tor elsewhere of which the relay has
 * the control port, or a torrc that the relay cannot reach.
 */
export const torModes = ['own', 'system', 'external', 'torrc'] as const
export type TorMode = (typeof torModes)[number]

const onionRecord = v.object({
  hostname: v.string(),
  serviceType: v.picklist(['single-hop', 'anonymous']),
  /** Absent beside a key that no setup has touched, such as one that was imported. */
  mode: v.exactOptional(v.picklist(torModes)),
  /** Of the system: NAME of tor@NAME. */
  instance: v.exactOptional(v.string()),
  createdAt: v.string(),
})

export type OnionRecord = v.InferOutput<typeof onionRecord>

/** `onion.json` for `onion.key`. */
export function recordFile(keyFile: string): string {
  return `${keyFile.replace(/\.key$/, '')}.json`
}

/** The record, or `undefined` when there is none that can be read. */
export async function readOnionRecord(keyFile: string): Promise<OnionRecord | undefined> {
  const text = await readFile(recordFile(keyFile), 'utf8').catch(() => '')
  return parseOnionRecord(text)
}

export function parseOnionRecord(text: string): OnionRecord | undefined {
  const record = v.safeParse(v.pipe(v.string(), v.parseJson(), onionRecord), text)
  return record.success ? record.output : undefined
}

export function onionRecordText(record: OnionRecord): string {
  return `${JSON.stringify(record)}\n`
}

/** The service type that this key was used with, if it was recorded; a record of another key does not count. */
export async function readServiceType(keyFile: string, key: OnionKey): Promise<ServiceType | undefined> {
  const record = await readOnionRecord(keyFile)
  return record?.hostname === key.hostname ? record.serviceType : undefined
}

/** Records key and service type; mode and instance stay as they were recorded. */
export async function writeOnionRecord(keyFile: string, key: OnionKey, serviceType: ServiceType): Promise<void> {
  const { mode, instance } = (await readOnionRecord(keyFile)) ?? {}
  const record: OnionRecord = {
    hostname: key.hostname,
    serviceType,
    ...(mode !== undefined && { mode }),
    ...(instance !== undefined && { instance }),
    createdAt: new Date().toISOString(),
  }
  await writeDurably(recordFile(keyFile), onionRecordText(record), { mode: 0o600, ifExists: 'replace' })
}

export async function deleteOnionRecord(keyFile: string): Promise<void> {
  await asOwnerOf(dirname(keyFile), () => rm(recordFile(keyFile), { force: true }))
}

/**
 * Refuses a key that was used with the other service type; one of which nothing is known may be used.
 *
 * @param whose names the key in the message
 * @throws AppError `ONION_KEY_ANONYMOUS`, `ONION_KEY_SINGLE_HOP`
 */
export function requireServiceType(used: ServiceType | undefined, wanted: ServiceType, whose: string): void {
  if (used === undefined || used === wanted) return
  if (wanted === 'single-hop') {
    throw new AppError(
      'ONION_KEY_ANONYMOUS',
      `${whose} is the key of an anonymous onion service; single-hop mode would reveal where that service runs.`,
      'Use a new key. If nothing has to stay hidden, run `smp-server tor key import FILE --from-anonymous`.',
    )
  }
  throw new AppError(
    'ONION_KEY_SINGLE_HOP',
    `${whose} is the key of a single-hop onion service, so its location may be known already.`,
    'Use a new key for an anonymous service.',
  )
}
