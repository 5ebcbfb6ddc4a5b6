import { type Command, Option } from 'commander'
import { checkAccess } from '../app/access.ts'
import { loadSettings } from '../app/load-settings.ts'
import type { MoveOptions } from '../app/move-store.ts'
import { choice, integer } from '../config/key-values.ts'
import { createLogger } from '../config/log.ts'
import { Refusal } from '../errors/refusal.ts'
import type { Context } from './context.ts'
import { copiedProgress, copiedText } from './copied-progress.ts'
import { addOptions, checked, parsedBy, valueOption } from './options.ts'
import { print, saySuccess } from './output.ts'

const DEFAULTS = { database: 'postgresql://smp@/smp_server_store', schema: 'smp_server', poolSize: 10 }

interface DatabaseOptions {
  readonly table?: 'queues' | 'messages' | 'all'
  readonly database?: string
  readonly schema?: string
  readonly poolSize?: number
}

export function addDatabase(program: Command, context: Context): void {
  const command = program.command('database').description('Move queues and messages to and from PostgreSQL')
  addOptions(command, databaseOptions())
  const add = (name: string, description: string, act: (options: DatabaseOptions) => Promise<void>): void => {
    const subcommand = command.command(name).description(description)
    addOptions(subcommand, databaseOptions())
    subcommand.action(() => act({ ...given(command), ...given(subcommand) }))
  }
  add('import', 'Move everything from the state directory into a new PostgreSQL schema', async (options) => {
    const { importIntoDatabase } = await import('../app/move-store.ts')
    const move = await moveOptions(options, context)
    const { copied, renamed } = await importIntoDatabase(move)
    saySuccess(
      `Imported ${copiedText(copied)} into schema ${move.database.schema}.`,
      `The store is now ${renamed}. Remove it once the relay works.`,
      'Use it: `smp-server config set STORE_LOG.store_queues database STORE_LOG.store_messages database`',
      'Set db_connection and db_schema in [STORE_LOG] too, unless they are the defaults, and start the relay.',
    )
  })
  add('export', 'Copy everything from a PostgreSQL schema into the state directory', async (options) => {
    const { exportFromDatabase } = await import('../app/move-store.ts')
    const copied = await exportFromDatabase(await moveOptions(options, context))
    saySuccess(
      `Exported ${copiedText(copied)} to ${context.paths.store}.`,
      'Use it: `smp-server config set STORE_LOG.store_queues memory STORE_LOG.store_messages memory`, and start the relay.',
      '`smp-server store export` writes the files of upstream smp-server.',
      'The database is as it was. Remove it once the relay works: smp-server database delete',
    )
  })
  add('delete', 'Print how to delete a PostgreSQL schema', async (options) => {
    const { database } = await moveOptions(options, context)
    print(
      `Open database: psql ${database.connection}`,
      `Delete schema: DROP SCHEMA ${database.schema}, ${database.schema}_relays CASCADE;`,
    )
  })
}

/** What was given on the command line; the defaults are for the help. */
function given(command: Command): DatabaseOptions {
  return Object.fromEntries(
    Object.entries(command.opts()).filter(([name]) => command.getOptionValueSource(name) === 'cli'),
  )
}

async function moveOptions(options: DatabaseOptions, { paths }: Context): Promise<MoveOptions> {
  const { table = 'all' } = options
  if (table !== 'all') {
    throw new Refusal(
      `Error: --table ${table}: this relay moves queues and messages together.`,
      'Run the command without --table.',
    )
  }
  const { settings } = await loadSettings(paths)
  checkAccess(paths)
  const { databaseKeys: written } = settings.store
  return {
    settings,
    paths,
    log: createLogger({ level: 'warn' }),
    database: {
      ...written,
      connection: options.database ?? written.connection,
      schema: options.schema ?? written.schema,
      poolSize: options.poolSize ?? written.poolSize,
    },
    onProgress: copiedProgress(),
  }
}

function databaseOptions(): Option[] {
  const anything = (value: string): string => value
  return [
    valueOption('--table <TABLE>', 'What to move: all', checked(choice(['queues', 'messages', 'all']))),
    valueOption('-d, --database <DB_CONN>', 'PostgreSQL connection string', anything, { value: DEFAULTS.database }),
    valueOption('--schema <DB_SCHEMA>', 'PostgreSQL schema', anything, { value: DEFAULTS.schema }),
    valueOption('--pool-size <POOL_SIZE>', 'Number of PostgreSQL connections', parsedBy(integer(1, 1000)), {
      value: DEFAULTS.poolSize,
    }),
  ]
}
