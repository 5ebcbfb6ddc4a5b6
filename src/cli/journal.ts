import type { Command } from 'commander'
import type { Context } from './context.ts'
import { requireIni } from '../app/load-settings.ts'
import { Refusal } from '../errors/refusal.ts'

/** Kept so that scripts get an answer: this relay keeps queues and messages in one embedded storage of its own. */
export function addJournal(program: Command, { paths }: Context): void {
  const command = program
    .command('journal')
    .description('Move messages from and to journal storage (not needed, start takes them over)')
  const subcommands = {
    import: 'Import messages into a journal',
    export: 'Export messages from a journal',
    delete: 'Delete a journal',
  }
  for (const [name, description] of Object.entries(subcommands)) {
    command
      .command(name)
      .description(description)
      .action(() => {
        requireIni(paths)
        throw new Refusal(
          'Error: this server has no journal storage.',
          '`smp-server start` takes over the messages of one, and keeps them in a storage of its own.',
        )
      })
  }
}
