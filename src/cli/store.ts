import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import type { Command } from 'commander'
import { DEFAULT_QUOTA } from '../store/store.ts'
import type { Context } from './context.ts'
import { Refusal } from '../errors/refusal.ts'
import { print } from './output.ts'

export function addStore(program: Command, context: Context): void {
  program
    .command('store')
    .description("Move queues and messages into the files of other SMP servers ('start' takes them over by itself)")
    .command('export')
    .description('Write all queues and messages into the files that other SMP servers read')
    .action(() => exportStore(context))
}

/**
 * For going back to another SMP server: its files are written, and the store is put aside, so that whichever server
 * starts next goes on with what is newest.
 */
async function exportStore({ paths }: Context): Promise<void> {
  if (!existsSync(paths.store)) {
    throw new Refusal(`Error: there is no store at ${paths.store}.`, 'Nothing has to be exported.')
  }
  const [{ openLmdbStore }, { exportUpstream }] = await Promise.all([
    import('../store/lmdb.ts'),
    import('../store/upstream/export.ts'),
  ])
  const store = openLmdbStore(paths.store, { quota: DEFAULT_QUOTA })
  const report = await exportUpstream(store, paths.stateDir).finally(() => store.close())
  const aside = `${paths.store}.${new Date().toISOString()}`
  await rename(paths.store, aside)
  print(
    `Exported: ${report.queues} queues, ${report.messages} messages, ${report.notifications} notifications, to ${paths.storeLog} and the files beside it.`,
    `The store was put aside as ${aside}; remove it when the other server works.`,
  )
  if (report.emptyMessages > 0)
    print(`${report.emptyMessages} messages without a body are left out: other servers cannot read them.`)
}
