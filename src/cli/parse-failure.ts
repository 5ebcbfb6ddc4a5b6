import type { Command, CommanderError } from 'commander'
import { commandBlock, suggestionText, usageText } from './help-layout.ts'
import { UsageError } from './output.ts'

/*
 * What the parser refused: the fault and candidates for a misspelling in the words of upstream `smp-server`, and the
 * usage of the command that it is about, with its subcommands.
 */

/**
 * @param program that has parsed the arguments
 * @param args the arguments as typed, to name an option by the spelling that was used
 * @param complete the same with every command
 */
export function parseFailure(
  error: CommanderError,
  program: Command,
  args: readonly string[],
  complete: Command,
): UsageError {
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? ''
  const command = commandOf(complete, args)
  const fail = (sentence: string): UsageError => usageError(sentence, command, candidates(error.message))
  switch (error.code) {
    case 'commander.unknownOption':
      return fail(`Invalid option \`${quoted}'`)
    case 'commander.unknownCommand':
      return fail(`Invalid argument \`${quoted}'`)
    case 'commander.excessArguments':
      return fail(`Invalid argument \`${excessArgument(commandOf(program, args), args)}'`)
    case 'commander.missingArgument':
      return fail(`The argument ${quoted} is missing.`)
    case 'commander.optionMissingArgument':
      return fail(`The option \`${spelling(quoted, args)}\` expects an argument.`)
    case 'commander.invalidArgument':
      return fail(optionSentence(error.message, quoted, args))
    default:
      return fail(error.message.replace(/^error: /, ''))
  }
}

/** For a word that is no command of this one. */
export function unknownCommand(name: string, command: Command): UsageError {
  return usageError(`Invalid argument \`${name}'`, command, [])
}

function usageError(sentence: string, command: Command, suggestions: readonly string[]): UsageError {
  const commands = commandBlock(command)
  return new UsageError([`${sentence}${suggestionText(suggestions)}`, usageText(command), ...commands].join('\n\n'))
}

/** The command that the words in front of the options name. */
function commandOf(program: Command, args: readonly string[]): Command {
  let command = program
  for (const arg of args) {
    const found = command.commands.find((sub) => sub.name() === arg)
    if (!found) break
    command = found
  }
  return command
}

/** Commander writes `(Did you mean --a?)` or `(Did you mean one of --a, --b?)`. */
function candidates(message: string): string[] {
  const list = /\(Did you mean (?:one of )?(.*)\?\)/.exec(message)?.[1]
  return list?.split(', ') ?? []
}

/** `option -a: cannot parse …` from commander's `option '-a, --alg <ALG>' argument 'x' is invalid. cannot parse …`. */
function optionSentence(message: string, flags: string, args: readonly string[]): string {
  const why = /is invalid\. (.*)$/s.exec(message)?.[1] ?? 'invalid value'
  return `option ${spelling(flags, args)}: ${why}`
}

function spelling(flags: string, args: readonly string[]): string {
  const names = flags.split(/[ ,|]+/).filter((part) => part.startsWith('-'))
  const typed = names.find((name) => args.some((arg) => arg === name || arg.startsWith(`${name}=`)))
  const short = names.find((name) => !name.startsWith('--') && args.some((arg) => arg.startsWith(name)))
  return typed ?? short ?? names.at(-1) ?? flags
}

function excessArgument(command: Command, args: readonly string[]): string {
  const expected = command.registeredArguments.length
  return command.args[expected] ?? args.find((arg) => !arg.startsWith('-')) ?? ''
}
