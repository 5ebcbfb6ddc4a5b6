import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { helpText, usageText } from '../../../src/cli/help-layout.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { resolvePaths } from '../../../src/config/paths.ts'

const context = { paths: resolvePaths({}), version: 'SMP server v1.2.3 / abcdef0', sourceCode: undefined, args: [] }
const program = await createProgram(context)

function command(...path: readonly string[]): Command {
  return path.reduce<Command>((parent, name) => {
    const found = parent.commands.find((sub) => sub.name() === name)
    if (!found) throw new Error(`no command ${name}`)
    return found
  }, program)
}

function recorded(name: string): string {
  return readFileSync(new URL(`../../samples/printed/${name}`, import.meta.url), 'utf8')
}

function usage(text: string): string {
  return /^Usage: .*(?:\n +.*)*/m.exec(text)?.[0] ?? ''
}

/** The names on the left of the entries. */
function names(text: string): string[] {
  return [...text.matchAll(/^ {2}(\S(?:.{0,23}\S(?= {2}|$)|[^\n]*?(?= {2}|$| [A-Z][a-z])))/gm)].map(
    (match) => match[1] ?? '',
  )
}

describe.each([
  {
    name: 'init',
    ownOptions: [
      '--upstream-prompts',
      '--onion',
      '--no-onion',
      '--torrc-extra FILE',
      '--web-cert FILE',
      '--web-key FILE',
      '--hide-password',
      '--password-file FILE',
    ],
  },
  { name: 'start', ownOptions: ['--workers N'] },
  ...['cert', 'delete', 'journal', 'database'].map((name) => ({ name, ownOptions: [] })),
])('the help of $name', ({ name, ownOptions }) => {
  const own = helpText(command(name), context)
  const other = recorded(`smp-server-${name}-help.txt`)

  it('has the usage of upstream byte for byte, and then its own options', () => {
    expect(usage(own).startsWith(usage(other))).toBe(true)
    const added = usage(own).slice(usage(other).length).trim().replaceAll(/\s+/g, ' ')
    expect(added).toBe(ownOptions.map((option) => `[${option}]`).join(' '))
  })

  it('lists the options of upstream in the same order, and then its own', () => {
    const options = (text: string): string[] => names(text).filter((entry) => entry.startsWith('-'))
    expect(options(own)).toEqual([...options(other).slice(0, -1), ...ownOptions, '-h,--help'])
    expect(options(own).length).toBeGreaterThan(0)
  })
})

it('the top level lists the commands of upstream, and then its own', () => {
  const text = helpText(program, context)
  const commands = (help: string): string[] => names(help.slice(help.indexOf('Available commands:')))
  const others = commands(recorded('smp-server-help.txt'))
  expect(commands(text)).toEqual([
    ...others,
    'address',
    'store',
    'backup',
    'restore',
    'doctor',
    'config',
    'password',
    'reload',
    'status',
    'health',
    'update',
    'tor',
    'help',
    'version',
  ])
  expect(text.split('\n').slice(0, 7)).toEqual([
    context.version,
    ...recorded('smp-server-help.txt').split('\n').slice(1, 7),
  ])
})

it('help fits into 80 columns, and descriptions start in column 27', () => {
  const all = [program, ...program.commands, ...program.commands.flatMap((sub) => sub.commands)]
  for (const line of all.flatMap((sub) => helpText(sub, context).split('\n'))) {
    expect(line.trimEnd().length).toBeLessThanOrEqual(80)
  }
  expect(helpText(command('init'), context)).toContain('\n  -a,--sign-algorithm ALG  ')
  expect(helpText(command('init'), context)).toMatch(/\n {2}--operator-country OPERATOR_COUNTRY\n {27}\S/)
})

it('the usage of a command without options keeps the blank after its name', () => {
  expect(usageText(command('delete'))).toBe('Usage: smp-server delete ')
  expect(usageText(command('journal', 'import'))).toBe('Usage: smp-server journal import ')
})
