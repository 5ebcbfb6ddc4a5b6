import { existsSync } from 'node:fs'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { Refusal } from '../errors/refusal.ts'

/** Refuses a storage that this relay does not have, and to guess which of two sets of messages is the present one. */
export function checkStorage({ store }: Settings, paths: Paths): void {
  if (store.queues === 'database' || store.messages === 'database') throw noDatabase()
  const { messagesLog, journal } = paths
  if (existsSync(journal) && existsSync(messagesLog)) {
    throw new Refusal(
      `Error: both ${messagesLog} file and ${journal} directory are present.`,
      'Move away the one that is older: the messages of only one of them can be taken over.',
    )
  }
}

/** What is said wherever PostgreSQL is asked for. */
export function noDatabase(): Refusal {
  return new Refusal(
    'Error: server binary is compiled without support for PostgreSQL database.',
    'Only builds like `smp-server-postgres` have it; set store_queues and store_messages to memory in [STORE_LOG].',
  )
}
