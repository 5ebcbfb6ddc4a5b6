import { Command, CommanderError } from 'commander'
import { becomeRelayUser } from '../app/access.ts'
import type { Context } from './context.ts'
import { helpText } from './help-layout.ts'
import { loadCommands } from './load-commands.ts'
import { parseFailure } from './parse-failure.ts'
import { completeVersion } from './version.ts'

/** The command line: parses, runs the command that was asked for, and throws what went wrong. */
export async function runProgram(context: Context): Promise<number> {
  const program = await createProgram(context)
  try {
    await program.parseAsync([...context.args], { from: 'user' })
    return 0
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    const shownAlready = /^commander\.(help|helpDisplayed|version)$/.test(error.code)
    if (shownAlready) return error.exitCode
    throw parseFailure(error, program, context.args, await createProgram({ ...context, args: [] }))
  }
}

/** Adds a command with its options. */
type Add = (program: Command, context: Context) => void | Promise<void>

/** In the order of the help. */
const commands: Readonly<Record<string, () => Promise<Add>>> = {
  init: async () => (await import('./init/init.ts')).addInit,
  cert: async () => (await import('./cert.ts')).addCert,
  start: async () => (await import('./start.ts')).addStart,
  delete: async () => (await import('./delete.ts')).addDelete,
  journal: async () => (await import('./journal.ts')).addJournal,
  database: async () => (await import('./database.ts')).addDatabase,
  address: async () => (await import('./address.ts')).addAddress,
  store: async () => (await import('./store.ts')).addStore,
  backup: async () => (await import('./backup.ts')).addBackup,
  restore: async () => (await import('./backup.ts')).addRestore,
  doctor: async () => (await import('./doctor.ts')).addDoctor,
  config: async () => (await import('./config.ts')).addConfig,
  password: async () => (await import('./password.ts')).addPassword,
  reload: async () => (await import('./reload.ts')).addReload,
  status: async () => (await import('./status.ts')).addStatus,
  health: async () => (await import('./health.ts')).addHealth,
  update: async () => (await import('./update.ts')).addUpdate,
  tor: async () => (await import('./tor/tor.ts')).addTor,
  help: async () => {
    const { addHelp } = await import('./help.ts')
    return (program, context) => addHelp(program, context, () => createProgram({ ...context, args: [] }))
  },
  version: async () => (await import('./version.ts')).addVersion,
}

/** Commands that root also runs outside of the relay's directories, or that say themselves whom they run as. */
const KEEPS_RIGHTS: ReadonlySet<string> = new Set([
  'init',
  'start',
  'backup',
  'restore',
  'doctor',
  'password',
  'update',
  'tor',
  'help',
  'version',
])

function topCommand(command: Command): Command {
  return command.parent?.parent ? topCommand(command.parent) : command
}

/** The command that the arguments begin with, or all of them. */
export async function createProgram(context: Context): Promise<Command> {
  const asked = /^(-v|--version)$/.test(context.args[0] ?? '') ? 'version' : context.args[0]
  const program = new Command('smp-server')
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ formatHelp: (command) => helpText(command, context) })
    .helpOption('-h, --help', 'Show this help text')
    .helpCommand(false)
    .hook('preAction', (_program, command) => {
      const name = topCommand(command).name()
      const { stateDir, configDir } = context.paths
      if (KEEPS_RIGHTS.has(name)) return
      // The configuration may be in a directory of root that the relay's user only reads.
      becomeRelayUser(['cert', 'config'].includes(name) ? [configDir] : [stateDir, configDir])
    })
    .version(asked === 'version' ? await completeVersion(context) : context.version, '-v, --version', 'Show version')
  for (const add of await loadCommands(commands, asked)) await add(program, context)
  return program
}
