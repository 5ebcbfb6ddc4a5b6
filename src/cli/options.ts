import { type Command, InvalidArgumentError, Option } from 'commander'
import * as v from 'valibot'
import { hostList } from '../config/key-values.ts'
import { exclusiveWith } from './help-layout.ts'

/** Options that can be given several times. */
const repeatable = new WeakSet<Option>()

/**
 * Adds options that can be given once each, unless they are a {@link listOption}, and not together with one that they
 * exclude (commander uses the last).
 */
export function addOptions(command: Command, options: readonly Option[]): void {
  const given = new Set<string>()
  for (const option of options) {
    command.addOption(option)
    const { long } = option
    if (!long) continue
    command.on(`option:${option.name()}`, (value?: string) => {
      if (value !== undefined && option.required && isEatenOption(command, value)) {
        command.error(`error: option '${option.flags}' argument missing`, { code: 'commander.optionMissingArgument' })
      }
      if ((given.has(long) && !repeatable.has(option)) || exclusiveWith(option).some((name) => given.has(name))) {
        command.error(`error: unknown option '${long}'`, { code: 'commander.unknownOption' })
      }
      given.add(long)
    })
  }
}

/** Whether the value is really the next option, as when a variable in a script was empty. */
function isEatenOption(command: Command, value: string): boolean {
  const [name] = value.split('=', 1)
  const isOption = command.options.some(({ short, long }) => name === short || name === long)
  const root = command.parent?.parent ?? command.parent ?? command
  return isOption && 'rawArgs' in root && Array.isArray(root.rawArgs) && root.rawArgs.includes(value)
}

/** An option with a value; what `parse` throws completes `option --name: `. */
export function valueOption(
  flags: string,
  description: string,
  parse: (value: string) => unknown,
  usual?: { readonly value: unknown; readonly shown?: string },
): Option {
  const option = new Option(flags, description).argParser((value: string) => parse(value))
  return usual ? option.default(usual.value, usual.shown) : option
}

/** An option that can be given several times; its value is a list. */
export function listOption(flags: string, description: string, parse: (value: string) => readonly string[]): Option {
  const option = new Option(flags, description).argParser((value: string, before: readonly string[] | undefined) => [
    ...(before ?? []),
    ...parse(value),
  ])
  repeatable.add(option)
  return option
}

/** A parser for `valueOption`, from the schema of the INI key that the option sets. */
export function checked<T>(schema: v.GenericSchema<string, T>, message?: string): (value: string) => T {
  return (value) => {
    const result = v.safeParse(schema, value)
    if (result.success) return result.output
    throw new InvalidArgumentError(message ?? result.issues[0].message)
  }
}

/** Parses the hosts of an option into the text for the INI file. */
export function hostOption(value: string): string {
  const result = v.safeParse(hostList, value)
  if (!result.success) throw new InvalidArgumentError(`"${value}" ${result.issues[0].message}`)
  if (result.output.length === 0)
    throw new InvalidArgumentError(`"${value}" is a placeholder that nothing was put in place of`)
  return result.output.join(',')
}

/** For values that are refused with the words `cannot parse value`. */
export function parsedBy<T>(schema: v.GenericSchema<string, T>): (value: string) => T {
  return (value) => checked(schema, `cannot parse value \`${value}'`)(value)
}
