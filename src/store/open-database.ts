import { hostname } from 'node:os'
import type { Logger } from '../config/log.ts'
import type { Settings } from '../config/settings.ts'
import { DEFAULT_QUOTA, type StoreError } from './store.ts'
import type { LoadingStore } from './work.ts'

export interface OpenDatabaseOptions {
  readonly settings: NonNullable<Settings['store']['database']>
  /** Of the relay, which the database belongs to. */
  readonly fingerprint: string
  /** What the operator has agreed to: migrations, or undoing the last one. */
  readonly migrate?: 'up' | 'down' | undefined
  readonly onRollback: (error: StoreError) => void
  readonly log: Logger
}

/**
 * Opens the store in PostgreSQL; only then its client is loaded.
 *
 * @throws AppError `DATABASE_…`
 */
export async function openDatabase(options: OpenDatabaseOptions): Promise<LoadingStore> {
  const { settings, fingerprint, migrate, onRollback, log } = options
  const { openPostgresStore } = await import('./postgres.ts')
  const since: { away?: number } = {}
  return await openPostgresStore({
    ...settings,
    quota: DEFAULT_QUOTA,
    fingerprint,
    migrate,
    onRollback,
    facts: { host: hostname(), pid: process.pid },
    onNote: (sentence) => log.note(sentence),
    onWarning: (sentence) => log.warn(sentence),
    onState: (failure) => {
      if (failure !== undefined) {
        since.away = performance.now()
        log.error(`PostgreSQL does not answer: ${failure}. Clients wait, or are told to try again later.`)
        return
      }
      const seconds = Math.round((performance.now() - (since.away ?? performance.now())) / 1000)
      log.note(`PostgreSQL answers again, after ${seconds} seconds`)
    },
  })
}
