import { type Command, Option } from 'commander'
import { choice, integer } from '../config/key-values.ts'
import { addOptions, checked, parsedBy, valueOption } from './options.ts'
import { noDatabase } from '../app/storage-check.ts'

export function addDatabase(program: Command): void {
  const command = program.command('database').description('Move queues to and from PostgreSQL (not in this build)')
  const subcommands = {
    import: 'Import queues into a new PostgreSQL schema',
    export: 'Export queues from a PostgreSQL schema',
    delete: 'Delete a PostgreSQL schema',
  }
  addOptions(command, databaseOptions())
  for (const [name, description] of Object.entries(subcommands)) {
    const subcommand = command.command(name).description(description)
    addOptions(subcommand, databaseOptions())
    subcommand.action(() => {
      throw noDatabase()
    })
  }
}

function databaseOptions(): Option[] {
  const anything = (value: string): string => value
  return [
    valueOption(
      '--table <TABLE>',
      'What to move: queues, messages, all',
      checked(choice(['queues', 'messages', 'all'])),
    ),
    valueOption('-d, --database <DB_CONN>', 'PostgreSQL connection string', anything, {
      value: 'postgresql://smp@/smp_server_store',
    }),
    valueOption('--schema <DB_SCHEMA>', 'PostgreSQL schema', anything, { value: 'smp_server' }),
    valueOption('--pool-size <POOL_SIZE>', 'Number of PostgreSQL connections', parsedBy(integer(1, 1000)), {
      value: 10,
    }),
  ]
}
