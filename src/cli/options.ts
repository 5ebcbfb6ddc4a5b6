import { type Command, InvalidArgumentError, Option } from 'commander'
import * as v from 'valibot'
import { exclusiveWith } from './help-layout.ts'

/**
 * Adds options such that each can be given once, and none together with one that it excludes. Commander itself would
 * take the last one.
 */
export function addOptions(command: Command, options: readonly Option[]): void {
  const given = new Set<string>()
  for (const option of options) {
    command.addOption(option)
    const { long } = option
    if (!long) continue
    command.on(`option:${option.name()}`, () => {
      if (given.has(long) || exclusiveWith(option).some((name) => given.has(name))) {
        command.error(`error: unknown option '${long}'`, { code: 'commander.unknownOption' })
      }
      given.add(long)
    })
  }
}

/** An option whose value must fit; `message` completes `option --name: `. */
export function valueOption(
  flags: string,
  description: string,
  parse: (value: string) => unknown,
  usual?: { readonly value: unknown; readonly shown?: string },
): Option {
  const option = new Option(flags, description).argParser((value: string) => parse(value))
  return usual ? option.default(usual.value, usual.shown) : option
}

/** A parser for `valueOption`, from the schema of the INI key that the option sets. */
export function checked<T>(schema: v.GenericSchema<string, T>, message?: string): (value: string) => T {
  return (value) => {
    const result = v.safeParse(schema, value)
    if (result.success) return result.output
    throw new InvalidArgumentError(message ?? `must be ${result.issues[0].message}`)
  }
}

/** For values that are refused with the words `cannot parse value`. */
export function parsedBy<T>(schema: v.GenericSchema<string, T>): (value: string) => T {
  return (value) => checked(schema, `cannot parse value \`${value}'`)(value)
}
