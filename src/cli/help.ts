import type { Command } from 'commander'
import { ERROR_AREAS, type ErrorEntry } from '../errors/codes.ts'
import { type HelpTexts, helpText } from './help-layout.ts'
import { print, say } from './output.ts'
import { unknownCommand } from './parse-failure.ts'
import { paint } from './terminal.ts'

/** @param complete the program with every command */
export function addHelp(program: Command, texts: HelpTexts, complete: () => Promise<Command>): void {
  program
    .command('help')
    .description('Show the help of a command, or explain an error code')
    .argument('[TOPIC...]')
    .action(async (topic: readonly string[]) => {
      const entry = topic.length === 1 ? entryOf(topic[0] ?? '') : undefined
      if (entry) {
        say(paint('strong', entry.code), entry.cause, `Cure: ${entry.cure}`)
        return
      }
      print(helpText(find(await complete(), topic), texts).trimEnd())
    })
}

function entryOf(text: string): (ErrorEntry & { readonly code: string }) | undefined {
  const code = text.toUpperCase().replaceAll('-', '_')
  const entry = Object.values(ERROR_AREAS)
    .flatMap((area) => Object.entries<ErrorEntry>(area))
    .find(([name]) => name === code)
  return entry && { code, ...entry[1] }
}

function find(program: Command, path: readonly string[]): Command {
  let command = program
  for (const name of path) {
    const found = command.commands.find((sub) => sub.name() === name)
    if (!found) throw unknownCommand(name, command)
    command = found
  }
  return command
}
