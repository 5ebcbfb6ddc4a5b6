import { join } from 'node:path'
import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { nextKeyFile, recordFile } from '../tor/index.ts'

/*
 * A backup is a tar file, encrypted with age. The label comes first, then the files below `config/` and `state/`; no other
 * names are allowed.
 *
 * Not included: what is made again (Tor's data, the site, the metrics, the record of what `tor setup` did on a machine, the
 * list of backups), what is elsewhere, and what was renamed.
 */

export interface RelayFile {
  /** In the backup. */
  readonly name: string
  readonly path: string
  /** Permissions after a restore. */
  readonly mode: number
  /** No relay runs without it. */
  readonly isNeeded: boolean
  readonly limit: number
}

export const labelName = 'smp-server-backup.json'
export const storeName = 'state/smp-server-store/data.mdb'

const MiB = 1 << 20

/** Every file of a relay that a backup includes, in its order: the store last. */
export function relayFiles(paths: Paths): RelayFile[] {
  const nextKey = nextKeyFile(paths.onionKey)
  const needed = [paths.ini, paths.caCertificate, paths.serverCertificate, paths.serverKey, paths.fingerprint]
  const secret = [
    paths.ini,
    paths.caKey,
    paths.serverKey,
    paths.webKey,
    paths.onionKey,
    nextKey,
    paths.dashboardOnionKey,
  ]
  const config = [
    ...needed,
    paths.caKey,
    paths.caSerial,
    paths.serverRequest,
    paths.opensslCaConf,
    paths.opensslServerConf,
    paths.webCertificate,
    paths.webKey,
    paths.onionKey,
    recordFile(paths.onionKey),
    nextKey,
    recordFile(nextKey),
    paths.dashboardOnionKey,
    recordFile(paths.dashboardOnionKey),
    paths.dashboardClients,
  ]
  const isPublic = (path: string): boolean => /\.(crt|csr|srl|conf)$|fingerprint$/.test(path) && !secret.includes(path)
  const entry = (directory: string, folder: string, path: string): RelayFile => ({
    name: `${folder}${path.slice(directory.length)}`,
    path,
    mode: isPublic(path) ? 0o644 : 0o600,
    isNeeded: needed.includes(path),
    limit: 64 * MiB,
  })
  return [
    ...config.map((path) => entry(paths.configDir, 'config', path)),
    ...[paths.stats, paths.dailyStats].map((path) => entry(paths.stateDir, 'state', path)),
    { name: storeName, path: join(paths.store, 'data.mdb'), mode: 0o600, isNeeded: false, limit: Infinity },
  ]
}

const label = v.object({
  format: v.literal(1),
  /** When the snapshot was taken. */
  madeAt: v.pipe(v.string(), v.isoTimestamp()),
  /** The directories of the relay; the INI file may contain paths below them. */
  configDir: v.string(),
  stateDir: v.string(),
})

export type Label = v.InferOutput<typeof label>

export function encodeLabel(content: Label): Buffer {
  return Buffer.from(`${JSON.stringify(content)}\n`)
}

/** `newer`: from a later version of this program; undefined: not a label. */
export function decodeLabel(bytes: Uint8Array): Label | 'newer' | undefined {
  const text = Buffer.from(bytes).toString('utf8')
  const known = v.safeParse(v.pipe(v.string(), v.parseJson(), label), text)
  if (known.success) return known.output
  const newer = v.pipe(v.string(), v.parseJson(), v.object({ format: v.pipe(v.number(), v.integer(), v.minValue(2)) }))
  return v.safeParse(newer, text).success ? 'newer' : undefined
}
