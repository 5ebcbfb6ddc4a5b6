import type { Command, Option } from 'commander'
import { terminalWidth } from './terminal.ts'

/*
 * Help as operators know it from upstream `smp-server`: descriptions from column 27 on, groups of options that exclude
 * each other in one pair of brackets; 80 columns, or those of the terminal.
 */

const DESCRIPTION_COLUMN = 27
/** Keeps words together in one line; printed as an ordinary blank. */
const GLUE = '\u00a0'

const NARROWEST = 50
const WIDEST = 110

function helpWidth(): number {
  return process.stdout.isTTY ? Math.min(Math.max(terminalWidth(), NARROWEST), WIDEST) : 80
}

export interface HelpTexts {
  readonly version: string
}

/** The whole help of a command, ending in a line break. */
export function helpText(command: Command, texts: HelpTexts, width: number = helpWidth()): string {
  const options = command.options.flatMap((option) => optionEntries(option, width))
  const help = entry('-h,--help', 'Show this help text', width)
  const top = command.parent === null
  const head = top ? [texts.version, ''] : []
  const description = top ? [] : [...fill(command.description(), width - 2).map((line) => `  ${line}`), '']
  const optionBlock = ['Available options:', ...(top ? [help, ...options] : [...options, help])]
  const commands = commandBlock(command, width).flatMap((block) => ['', block])
  return [...head, usageText(command, width), '', ...description, ...optionBlock, ...commands, ''].join('\n')
}

/** The list of its commands as one text; none for a command without any. */
export function commandBlock(command: Command, width: number = helpWidth()): string[] {
  const commands = command.commands.map((sub) => entry(sub.name(), sub.description(), width))
  return commands.length > 0 ? [['Available commands:', ...commands].join('\n')] : []
}

/** `Usage: …` without a line break at the end. Every line but the last keeps one blank at its end. */
export function usageText(command: Command, width: number = helpWidth()): string {
  const path = commandPath(command).join(' ')
  if (command.parent === null) return `Usage: ${path} [-v|--version] COMMAND`
  const words = command.registeredArguments.map((argument) => argument.name())
  if (command.commands.length > 0 && words.length === 0) words.push('COMMAND')
  const start = `Usage: ${path} `
  const lines = fillItems([...words, ...usageGroups(command.options)], width - start.length)
  return start + lines.join(` \n${' '.repeat(start.length)}`)
}

/** One line per candidate, as upstream puts it; empty without candidates. */
export function suggestionText(candidates: readonly string[]): string {
  if (candidates.length === 0) return ''
  const title = candidates.length === 1 ? 'Did you mean this?' : 'Did you mean one of these?'
  return `\n\n${[title, ...candidates.map((candidate) => `    ${candidate}`)].join('\n')}`
}

function commandPath(command: Command): string[] {
  return command.parent === null ? [command.name()] : [...commandPath(command.parent), command.name()]
}

/** The forms in which an option can be written, e.g. `--control-port` and `--control-port PORT`. */
function forms(option: Option): { names: string; value: string; description: string }[] {
  const names = [option.short, option.long].filter((name) => name !== undefined).join(',')
  const value = /[<[](.*)[>\]]/.exec(option.flags)?.[1] ?? ''
  const [first = '', second = first] = option.description.split('\n')
  if (option.optional) {
    return [
      { names, value: '', description: first },
      { names, value, description: second },
    ]
  }
  return [{ names, value, description: first }]
}

function optionEntries(option: Option, width: number): string[] {
  const usual: unknown = option.defaultValue
  const shown = option.defaultValueDescription ?? (typeof usual === 'string' ? `"${usual}"` : String(usual))
  const suffix = usual === undefined ? '' : ` (default:${GLUE}${shown})`
  return forms(option).map(({ names, value, description }) =>
    entry(value === '' ? names : `${names} ${value}`, description + suffix, width),
  )
}

function entry(name: string, description: string, width: number): string {
  const indent = ' '.repeat(DESCRIPTION_COLUMN)
  const lines = fill(description, width - DESCRIPTION_COLUMN)
  const first = `  ${name}`
  if (first.length >= DESCRIPTION_COLUMN) return [first, ...lines.map((line) => indent + line)].join('\n')
  return lines.map((line, index) => (index === 0 ? first.padEnd(DESCRIPTION_COLUMN) : indent) + line).join('\n')
}

/** `[-a|--sign-algorithm ALG]`; options that exclude each other share their brackets. */
function usageGroups(options: readonly Option[]): string[] {
  const groups: string[][] = []
  const exclusive = new Map<string, string[]>()
  for (const option of options) {
    const partners = exclusiveWith(option)
    const group = exclusive.get(option.long ?? '') ?? []
    if (group.length === 0) groups.push(group)
    for (const partner of partners) exclusive.set(partner, group)
    group.push(
      ...forms(option).map(({ names, value }) => {
        const text = [names.replace(',', '|'), value].filter((part) => part !== '').join(' ')
        return partners.length > 0 && text.includes('|') ? `(${text})` : text
      }),
    )
  }
  return groups.map((group) => `[${group.join(' | ')}]`)
}

const EXCLUSIONS = [
  ['--disable-store-log', '--store-log'],
  ['--no-password', '--password'],
  ['--qr', '--json'],
  ['--own', '--system'],
  ['--finish', '--abort'],
  ['--recipient', '--passphrase-file'],
]

/** The long names of the options that cannot be given together with this one. */
export function exclusiveWith(option: Option): string[] {
  const { long } = option
  if (long === undefined) return []
  return EXCLUSIONS.filter((names) => names.includes(long)).flatMap((names) => names.filter((name) => name !== long))
}

function fill(text: string, limit: number): string[] {
  return fillItems(text.split(' '), limit).map((line) => line.replaceAll(GLUE, ' '))
}

function fillItems(items: readonly string[], limit: number): string[] {
  const lines: string[] = []
  for (const item of items) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + item.length <= limit) lines[lines.length - 1] = `${last} ${item}`
    else lines.push(item)
  }
  return lines
}
