import { Command, CommanderError } from 'commander'
import { addAddress } from './address.ts'
import { addCert } from './cert.ts'
import type { Context } from './context.ts'
import { addDatabase } from './database.ts'
import { addDelete } from './delete.ts'
import { helpText } from './help-layout.ts'
import { addInit } from './init.ts'
import { addJournal } from './journal.ts'
import { parseFailure } from './parse-failure.ts'
import { addStart } from './start.ts'
import { addStore } from './store.ts'
import { addTor } from './tor.ts'

/** The command line: parses, runs the command that was asked for, and throws what went wrong. */
export async function runProgram(context: Context): Promise<number> {
  const program = createProgram(context)
  try {
    await program.parseAsync(withBareForms(program, context.args), { from: 'user' })
    return 0
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    const shownAlready = /^commander\.(help|helpDisplayed|version)$/.test(error.code)
    if (shownAlready) return error.exitCode
    throw parseFailure(error, program, context.args)
  }
}

/** All commands, in the order of the help. */
export function createProgram(context: Context): Command {
  const program = new Command('smp-server')
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ formatHelp: (command) => helpText(command, context) })
    .helpOption('-h, --help', 'Show this help text')
    .helpCommand(false)
    .version(context.version, '-v, --version', 'Show version')
  for (const add of [addInit, addCert, addStart, addDelete, addJournal, addDatabase, addAddress, addStore, addTor]) {
    add(program, context)
  }
  return program
}

/**
 * Options such as `--control-port` take a value only behind `=`; standing alone they mean their preset, whatever word
 * follows.
 */
function withBareForms(program: Command, args: readonly string[]): string[] {
  const command = program.commands.find((sub) => sub.name() === args[0])
  return args.map((arg) => {
    const option = command?.options.find(({ long, optional }) => optional && long === arg)
    return option && typeof option.presetArg === 'string' ? `${arg}=${option.presetArg}` : arg
  })
}
