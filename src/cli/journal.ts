import type { Command } from 'commander'
import type { Context } from './context.ts'
import { requireIni } from '../app/load-settings.ts'
import { Refusal } from '../errors/refusal.ts'

/** For scripts of upstream's users: this relay keeps queues and messages in one embedded store. */
export function addJournal(program: Command, { paths }: Context): void {
  const command = program
    .command('journal')
    .description('Move messages to and from journal storage (not needed: `start` imports them)')
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
          'Error: this relay has no journal storage.',
          'Run `smp-server start`: it imports the messages of a journal into its own store.',
        )
      })
  }
}
