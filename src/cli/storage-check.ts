import { existsSync } from 'node:fs'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { noDatabase } from './database.ts'
import { Refusal } from './output.ts'

/** Refuses to start on messages that would be left behind: those of another storage than the configured one. */
export function checkStorage({ store }: Settings, paths: Paths): void {
  if (store.queues === 'database' || store.messages === 'database') throw noDatabase()
  const { messagesLog, journal } = paths
  if (existsSync(journal)) {
    if (existsSync(messagesLog)) {
      throw new Refusal(
        `Error: both ${messagesLog} file and ${journal} directory are present.`,
        'Configure memory storage.',
      )
    }
    throw new Refusal(
      `Error: there are messages in journal storage (${journal} directory is present), which this server does not read.`,
      'Move them into a file with `smp-server journal export` of the server that wrote them, then start this one.',
    )
  }
  if (store.messages === 'journal') {
    throw new Refusal(
      'Error: store_messages is `journal`, and this server has no journal storage.',
      'Set store_messages to `memory` in [STORE_LOG].',
    )
  }
}
