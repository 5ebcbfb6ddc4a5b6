import type { Command, CommanderError } from 'commander'
import { suggestionText, usageText } from './help-layout.ts'
import { UsageError } from './output.ts'

/*
 * What the parser refused, in the words that other SMP servers use: the fault, candidates for a misspelling, an empty
 * line and the usage.
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
  const command = program.commands.find((sub) => sub.name() === args[0]) ?? program
  const own = usageText(command)
  const general = usageText(complete)
  switch (error.code) {
    case 'commander.unknownOption':
      return usageError(`Invalid option \`${quoted}'`, general, candidates(error.message))
    case 'commander.unknownCommand':
      return usageError(`Invalid argument \`${quoted}'`, general, candidates(error.message))
    case 'commander.excessArguments':
      return usageError(`Invalid argument \`${excessArgument(command, args)}'`, general)
    case 'commander.optionMissingArgument':
      return usageError(`The option \`${spelling(quoted, args)}\` expects an argument.`, own)
    case 'commander.invalidArgument':
      return usageError(optionSentence(error.message, quoted, args), own)
    default:
      return usageError(error.message.replace(/^error: /, ''), own)
  }
}

function usageError(sentence: string, usage: string, suggestions: readonly string[] = []): UsageError {
  return new UsageError(`${sentence}${suggestionText(suggestions)}\n\n${usage}`)
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
