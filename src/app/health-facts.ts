import { X509Certificate } from 'node:crypto'
import { readFile, readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { AutomaticBackupStatus } from '../backup/automatic-backups.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { isOnion } from '../protocol/host.ts'
import type { ServingRelay } from '../server/serve.ts'
import { CONTESTED, type OnionState } from '../tor/index.ts'
import type { CertificateHealth, HealthReport, PartHealth } from '../web/health-report.ts'

export interface HealthSource {
  readonly settings: Settings
  readonly paths: Paths
  readonly relay: Pick<ServingRelay, 'ports'> & { readonly core: { readonly engine: FlushingStore } }
  readonly onion: () => OnionState | undefined
  readonly backups: () => AutomaticBackupStatus | undefined
  /** Processes that serve clients, where there are several. */
  readonly workers?: { readonly running: number; readonly wanted: number } | undefined
}

interface FlushingStore {
  flushed(): Promise<void>
}

const DAY_MS = 86_400_000
const FLUSH_TIMEOUT_MS = 3000
/** Below these the operator should act: certbot and most others renew 30 days before the end. */
export const MIN_WEB_DAYS = 7
export const MIN_RELAY_DAYS = 30
const MIN_FREE_BYTES = 100 * 1024 * 1024
const MIN_FREE_SHARE = 0.02

/** How the relay is at this moment. */
export async function healthReport(source: HealthSource, now = new Date()): Promise<HealthReport> {
  const { settings, paths } = source
  const [store, disk, relayCertificate, webCertificate] = await Promise.all([
    storeHealth(source.relay.core.engine),
    diskHealth(paths.stateDir),
    certificateHealth(paths.serverCertificate, MIN_RELAY_DAYS, 'Run `smp-server cert` and `smp-server reload`.', now),
    settings.web.https
      ? certificateHealth(
          settings.web.https.certificate,
          MIN_WEB_DAYS,
          'Renew it; the relay loads it within a minute.',
          now,
        )
      : null,
  ])
  const relay = relayHealth(source.relay.ports())
  const onion = onionHealth(source.onion())
  const certificates = { relay: relayCertificate, web: webCertificate }
  const isOnlyOnion = settings.transport.hosts.length > 0 && settings.transport.hosts.every(isOnion)
  const fails = !relay.ok || !store.ok || (isOnlyOnion && onion?.ok === false) || (relayCertificate?.days ?? 0) < 0
  const backup = backupHealth(source.backups())
  const workers = workersHealth(source.workers)
  const parts = [disk, onion, workers, backup, relayCertificate, webCertificate]
  const isDegraded = parts.some((part) => part?.ok === false)
  const status = fails ? 'failing' : isDegraded ? 'degraded' : 'ok'
  return { status, relay, store, disk, onion, workers, backup, certificates }
}

function workersHealth(workers: HealthSource['workers']): PartHealth | null {
  if (workers === undefined) return null
  const { running, wanted } = workers
  if (running === wanted) return { ok: true }
  return { ok: false, problem: `${wanted - running} of ${wanted} workers do not run. The log says why.` }
}

function backupHealth(status: AutomaticBackupStatus | undefined): PartHealth | null {
  if (status === undefined) return null
  const { failure } = status
  return failure === undefined ? { ok: true } : { ok: false, problem: `The last backup failed. ${failure.message}` }
}

function relayHealth(ports: readonly number[]): HealthReport['relay'] {
  return ports.length > 0 ? { ok: true, ports } : { ok: false, ports, problem: 'The relay listens on no port.' }
}

/** Whether what clients send can be made durable. */
async function storeHealth(store: FlushingStore): Promise<PartHealth> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('The disk does not take data.'), FLUSH_TIMEOUT_MS)
  })
  const flushed = store.flushed().then(
    () => undefined,
    (error: unknown) => `The store cannot save: ${error instanceof Error ? error.message : String(error)}.`,
  )
  const problem = await Promise.race([flushed, late])
  clearTimeout(timer)
  return problem === undefined ? { ok: true } : { ok: false, problem }
}

/** Whether a disk has room; null when unknown. */
export async function diskHealth(directory: string): Promise<HealthReport['disk']> {
  const disk = await diskSpace(directory)
  if (disk === undefined) return null
  const isLow = disk.freeBytes < Math.min(MIN_FREE_BYTES, disk.sizeBytes * MIN_FREE_SHARE)
  return isLow ? { ok: false, ...disk, problem: `The disk of ${directory} is nearly full.` } : { ok: true, ...disk }
}

export interface DiskSpace {
  readonly freeBytes: number
  readonly sizeBytes: number
}

/** Of the file system that a directory is on, as far as this user may use it; undefined when unknown. */
export async function diskSpace(directory: string): Promise<DiskSpace | undefined> {
  try {
    const { bavail, blocks, bsize } = await statfs(directory)
    return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize }
  } catch {
    return undefined
  }
}

/** Bytes of the files in the store's directory; 0 when there is none. */
export async function storeBytes(directory: string): Promise<number> {
  const names = await readdir(directory).catch((): string[] => [])
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(directory, name)).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

function onionHealth(state: OnionState | undefined): HealthReport['onion'] {
  if (state === undefined) return null
  const { phase, check, contestedAt, lastError } = state
  const reachable = check === undefined ? null : check.last.fault === undefined
  // What a check found before its tor was lost says nothing of now.
  const lost = phase === 'waiting' ? lastError?.message : undefined
  const problem = lost ?? (contestedAt ? CONTESTED : check?.last.fault?.message)
  return {
    ok: reachable !== false && !contestedAt && lost === undefined,
    phase,
    reachable,
    ...(problem !== undefined && { problem }),
  }
}

/** How long a certificate is valid; null without a readable one. */
export async function certificateHealth(
  path: string,
  minDays: number,
  remedy: string,
  now: Date,
): Promise<CertificateHealth | null> {
  const expires = await certificateExpiry(path)
  if (expires === undefined) return null
  const days = Math.floor((expires.getTime() - now.getTime()) / DAY_MS)
  if (days >= minDays) return { ok: true, days }
  const when = days < 0 ? 'has expired' : `expires in ${days} day${days === 1 ? '' : 's'}`
  return { ok: false, days, problem: `The certificate in ${path} ${when}. ${remedy}` }
}

/** When the first certificate of a PEM file expires; undefined without one. */
export async function certificateExpiry(path: string): Promise<Date | undefined> {
  try {
    return new X509Certificate(await readFile(path)).validToDate
  } catch {
    return undefined
  }
}
