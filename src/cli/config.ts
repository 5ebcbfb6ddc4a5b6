import type { Command } from 'commander'
import { missingHost } from '../app/address.ts'
import { loadSettings, requireIni } from '../app/load-settings.ts'
import { askStatus } from '../app/relay-status.ts'
import { checkStorage } from '../app/storage-check.ts'
import { readIni, replaceIni } from '../config/ini-file.ts'
import { iniValue, setIniValue } from '../config/ini.ts'
import { type KeyRow, keyRows } from '../config/keys.ts'
import type { Paths } from '../config/paths.ts'
import { readSettings } from '../config/read-settings.ts'
import { AppError } from '../errors/app-error.ts'
import type { Context } from './context.ts'
import { print, say, saySuccess, warn } from './output.ts'

/** Looks at the INI file and changes it, key by key; everything else in the file stays as it is. */
export function addConfig(program: Command, { paths }: Context): void {
  const config = program.command('config').description('Check the configuration, and show or change its keys')
  config
    .command('check')
    .description('Check the INI file as `start` would, also while the relay runs')
    .action(() => check(paths))
  config
    .command('get')
    .description('Print the value of SECTION.KEY, or its default')
    .argument('<SECTION.KEY>')
    .action((name: string) => get(rowOf(name), paths))
  config
    .command('set')
    .description('Set SECTION.KEY to VALUE, and others that follow, all at once, if the file is valid then')
    .argument('<SECTION.KEY>')
    .argument('<VALUE>')
    .argument('[MORE...]')
    .action((name: string, value: string, more: string[]) => set(pairsOf([name, value, ...more]), paths))
  config
    .command('diff')
    .description('Print the keys whose value is not the default')
    .action(() => diff(paths))
  config
    .command('explain')
    .description('Say what SECTION.KEY, or KEY of any section, is for')
    .argument('<KEY>')
    .action((name: string) => explain(name))
}

async function check(paths: Paths): Promise<void> {
  const { settings, warnings } = await loadSettings(paths)
  await checkStorage(settings, paths)
  for (const warning of [...warnings, missingHost(settings, paths.ini)]) if (warning !== undefined) warn(warning)
  saySuccess(`${paths.ini} is valid.`)
}

async function get(row: KeyRow, paths: Paths): Promise<void> {
  requireIni(paths)
  const { text } = await readIni(paths.ini)
  const value = iniValue(text, row.section, row.name) ?? row.definition.default
  if (value === undefined) {
    throw new AppError(
      'CONFIG_KEY_UNSET',
      `[${row.section}] ${row.name} is not set in ${paths.ini}, and has no default.`,
    )
  }
  print(value)
}

interface Pair {
  readonly row: KeyRow
  readonly value: string
}

/** @throws AppError `CONFIG_KEY` */
function pairsOf(words: readonly string[]): Pair[] {
  return words.flatMap((name, at) => {
    if (at % 2 === 1) return []
    const [row, value] = [rowOf(name), words[at + 1]]
    if (value !== undefined) return { row, value }
    throw new AppError('CONFIG_KEY', `${name} has no value.`, `Write it after the key: ${name} VALUE`)
  })
}

async function set(pairs: readonly Pair[], paths: Paths): Promise<void> {
  requireIni(paths)
  const before = await readIni(paths.ini)
  const text = pairs.reduce(
    (changed, { row, value }) => setIniValue(changed, row.section, row.name, value),
    before.text,
  )
  const { warnings } = readSettings(text, paths.ini)
  for (const warning of warnings) warn(warning)
  await replaceIni(paths.ini, before, text)
  for (const { row, value } of pairs) {
    const shown = row.definition.secret ? '…' : value
    saySuccess(`[${row.section}] ${row.name} = ${shown} is set in ${paths.ini}.`)
  }
  if ((await askStatus(paths).catch(() => undefined)) === undefined) return
  const effects = [...new Set(pairs.map(({ row }) => effectOf(row)))]
  say(`The running relay uses ${pairs.length === 1 ? 'it' : 'them'} ${effects.join(', some of them ')}.`)
}

async function diff(paths: Paths): Promise<void> {
  requireIni(paths)
  const { text } = await readIni(paths.ini)
  for (const { section, name, definition } of keyRows()) {
    const value = iniValue(text, section, name)
    if (value === undefined || value === definition.default) continue
    const usual = definition.default === undefined ? 'not set' : `default ${definition.default}`
    print(`${section}.${name} = ${definition.secret ? '…' : value}  (${usual})`)
  }
}

function explain(name: string): void {
  const rows = name.includes('.') ? [rowOf(name)] : keyRows().filter((row) => row.name === name)
  if (rows.length === 0) throw unknownKey(name)
  for (const row of rows) {
    const { section, name: key, definition } = row
    const { doc, default: usual, samples = [], unused } = definition
    const sample = samples.find((text) => text.trim() !== '')
    say(
      `[${section}] ${key}`,
      doc ?? 'As in upstream’s smp-server.',
      usual === undefined ? 'No default.' : `Default: ${usual}`,
      ...(sample === undefined || sample === usual ? [] : [`Example: ${key} = ${sample}`]),
      unused === undefined ? `A running relay uses a change ${effectOf(row)}.` : `It has no effect: ${unused}.`,
    )
  }
}

/** When a running relay uses a change. */
function effectOf({ section, definition }: KeyRow): string {
  if (definition.restart) return 'after a restart: `systemctl restart smp-server`'
  return section === 'TOR' && !definition.reload ? 'within seconds' : 'after `smp-server reload`'
}

/** @throws AppError `CONFIG_KEY` */
function rowOf(name: string): KeyRow {
  const found = keyRows().find((row) => `${row.section}.${row.name}`.toLowerCase() === name.toLowerCase())
  if (found) return found
  throw unknownKey(name)
}

function unknownKey(name: string): AppError {
  const key = name.split('.').at(-1)?.toLowerCase() ?? ''
  const homes = keyRows().filter((row) => row.name === key)
  const remedy =
    homes.length > 0
      ? `Write ${homes.map((row) => `${row.section}.${row.name}`).join(' or ')}.`
      : 'Write SECTION.KEY, for example TRANSPORT.port.'
  return new AppError('CONFIG_KEY', `${name} is not a key of the configuration.`, remedy)
}
