import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { expect, it } from 'vitest'
import { createProgram } from '../../../src/cli/program.ts'
import { iniKeys, isSectionName } from '../../../src/config/keys.ts'
import { resolvePaths } from '../../../src/config/paths.ts'
import { ERROR_AREAS, type ErrorEntry } from '../../../src/errors/codes.ts'
import { projectRoot } from '../../project-root.ts'

// What the program and its documentation advise to run or to set has to exist.

const program = await createProgram({ paths: resolvePaths({}), version: '', sourceCode: undefined, args: [] })

const filesIn = (directory: string, ending: string): string[] =>
  readdirSync(join(projectRoot, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(directory, name))

/** Whatever shows sentences to people; changelogs tell of what is no more. */
const files = [
  'README.md',
  'SECURITY.md',
  ...filesIn('docs', '.md'),
  ...filesIn('src', '.ts'),
  ...filesIn('torrc.d', ''),
]
  .filter((name) => !/\/(?:decisions|changes\.md)/.test(name))
  .filter((name) => /\.\w+$/.test(name))

interface Advice {
  readonly file: string
  readonly text: string
}

/** Every match of `pattern` in the files, with its first group. */
const found = (pattern: RegExp): Advice[] =>
  files.flatMap((file) =>
    [...readFileSync(join(projectRoot, file), 'utf8').matchAll(pattern)].map(([, text = '']) => ({ file, text })),
  )

/** The command that words name, and what follows it. */
const commandOf = (
  words: readonly string[],
  from: Command = program,
): { command: Command; rest: readonly string[] } => {
  const [first, ...rest] = words
  const next = from.commands.find((command) => command.name() === first || command.aliases().includes(first ?? ''))
  return next === undefined ? { command: from, rest: words } : commandOf(rest, next)
}

const flagsOf = (command: Command): string[] => [
  ...command.options.flatMap(({ short, long }) => [short, long]).filter((flag) => flag !== undefined),
  ...(command.parent === null ? [] : flagsOf(command.parent)),
  '-h',
  '--help',
]

/** Why a command as it stands in a sentence or in a block of commands cannot be run; undefined when it can. */
const faultOf = (text: string): string | undefined => {
  const words = text.split(/\s+/).filter((word) => word !== '')
  const { command, rest } = commandOf(words)
  const [first] = rest
  if (command === program && first !== undefined && !/^-|^COMMAND$/.test(first)) return `no command ${first}`
  if (command.commands.length > 0 && first !== undefined && /^[a-z]/.test(first)) return `no command ${first}`
  if (first !== undefined && /^[a-z]/.test(first) && command.registeredArguments.length === 0)
    return `no argument ${first}`
  const flag = rest
    .map((word) => word.split('=', 1)[0] ?? '')
    .find((word) => /^--?[a-z]/.test(word) && !flagsOf(command).includes(word))
  return flag && `no option ${flag}`
}

it('the fault of a command that does not exist is found', () => {
  expect(faultOf('tor setup --own')).toBeUndefined()
  expect(faultOf('tor repair')).toBe('no command repair')
  expect(faultOf('fix')).toBe('no command fix')
  expect(faultOf('tor setup --repair')).toBe('no option --repair')
  expect(faultOf('reload now')).toBe('no argument now')
})

it('every command that is advised exists, with its options', () => {
  const inSentences = found(/`(?:sudo )?smp-server (?!is |was )((?:[a-z-]|--)[^`$\\&|;]*)/g)
  const inBlocks = found(/^ {4}(?:sudo )?smp-server ((?:[a-z-]|--)[^#\n&|;]*)/gm)
  const inMessages = found(/(?:Run|sudo|run|it): smp-server ([^'`"$\\.,;)]*)/g)
  expect(inSentences.length).toBeGreaterThan(300)
  expect(inMessages.length).toBeGreaterThan(5)
  const wrong = [...inSentences, ...inBlocks, ...inMessages]
    .map(({ file, text }) => ({ file, text, fault: faultOf(text) }))
    .filter(({ fault }) => fault !== undefined)
  expect(wrong).toEqual([])
})

it('every option that the cure of an error names belongs to a command', () => {
  const all = (command: Command): string[] => [...flagsOf(command), ...command.commands.flatMap(all)]
  const known = new Set(all(program))
  const named = Object.values(ERROR_AREAS)
    .flatMap((area) => Object.values<ErrorEntry>(area))
    .flatMap(({ cure }) => [...cure.matchAll(/`(--[a-z-]+)/g)].map(([, flag = '']) => flag))
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((flag) => !known.has(flag))).toEqual([])
})

it('every key of the INI file that is advised exists in its section', () => {
  const quoted = found(/((?:`[a-z_]+`(?: and |, ))*`[a-z_]+` in `\[[A-Z_]+\]`)/g)
  const plain = found(/\b((?:[a-z]+_[a-z_]+(?: and |, ))*[a-z]+_[a-z_]+ in \[[A-Z_]+\])/g)
  expect(quoted.length).toBeGreaterThan(50)
  expect(plain.length).toBeGreaterThan(5)
  const wrong = [...quoted, ...plain].filter(({ text }) => {
    const section = /\[([A-Z_]+)\]/.exec(text)?.[1] ?? ''
    const [before = ''] = text.split(' in ')
    const keys = [...before.replaceAll(' and ', ' ').matchAll(/[a-z_]+/g)].map(([key]) => key)
    return !isSectionName(section) || keys.some((key) => !(key in iniKeys[section]))
  })
  expect(wrong).toEqual([])
})
