import { type IniDocument, type IniProblem, iniEntry, iniSection } from './ini.ts'
import { isSectionName, type KeyRow, keyRows, type SectionName, sectionNames } from './keys.ts'

/*
 * Lines of the INI file that look like a setting and are ignored: in a section that does not exist, that a later one
 * replaces, or behind a line that stops the reading; repeated keys, misspelt keys. Each is explained, because an ignored
 * line may open the relay to everyone, or lose its queues.
 */

export interface StrayLine {
  /** 1-based. */
  readonly line: number
  /** As written; `undefined` before the first section. */
  readonly section: string | undefined
  readonly key: string
  readonly value: string
  /** The setting that was probably meant. */
  readonly meant: KeyRow | undefined
  /** Why it is ignored: a clause. */
  readonly why: string
  /** Whether the line can hardly mean anything but `meant`, even if that is set elsewhere. */
  readonly isCertain: boolean
}

/** All ignored lines, in file order. */
export function strayLines(document: IniDocument): StrayLine[] {
  const counting = new Set(
    keyRows().map(({ section, name }) => {
      const entry = iniEntry(document, section, name)
      return entry === undefined ? undefined : lineOf(document.text, entry.separatorAt)
    }),
  )
  return settingLines(document.text)
    .filter(({ line }) => !counting.has(line))
    .map((setting) => explained(setting, document))
}

interface SettingLine {
  readonly line: number
  readonly section: string | undefined
  /** 1-based line of the header of its section. */
  readonly header: number
  readonly key: string
  readonly value: string
}

const LINE_END = /\r\n|\n|\r/

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split(LINE_END).length
}

/**
 * Every line that reads `key = value` or `key: value`, whatever stands around it; also when the separator is in the next
 * line, or missing in front of the value of a known key.
 */
function settingLines(text: string): SettingLine[] {
  const found: SettingLine[] = []
  let section: string | undefined
  let header = 0
  /** A line without a separator, until the next line shows whether it is a key. */
  let pending: { readonly line: number; readonly text: string } | undefined
  const give = (line: number, key: string, value: string): void => {
    found.push({ line, section, header, key: key.trim(), value: value.trim() })
  }
  const giveUp = (): void => {
    const [, key = '', value = ''] = /^(\S+)\s*[^\w\s]*\s*(.*)$/.exec(pending?.text ?? '') ?? []
    if (pending !== undefined && meantBy({ key, section }) !== undefined) give(pending.line, key, value)
    pending = undefined
  }
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split(LINE_END)
    .entries()) {
    const shown = line.trim()
    if (shown === '') continue
    const separated = pending && /^[=:](.*)$/.exec(shown)
    if (pending && separated) {
      give(index + 1, pending.text, separated[1] ?? '')
      pending = undefined
      continue
    }
    giveUp()
    const name = /^\[([^[\]]*)\]/.exec(shown)?.[1]
    const setting = /^([^\s#;=:[][^=:[]*?)\s*(?:\[[^\]]*\]\s*)?[=:](.*)$/.exec(shown)
    if (name !== undefined) [section, header] = [name.trim(), index + 1]
    else if (setting !== null) give(index + 1, setting[1] ?? '', setting[2] ?? '')
    else if (!/^[#;=:[]/.test(shown)) pending = { line: index + 1, text: shown }
  }
  giveUp()
  return found
}

function explained(setting: SettingLine, document: IniDocument): StrayLine {
  const { section } = setting
  const meant = meantBy(setting)
  const home = sectionMeant(section)
  const isCertain = meant !== undefined && (home === meant.section || section === undefined)
  return { ...setting, meant, why: why(setting, meant, document), isCertain }
}

function why({ line, section, header, key }: SettingLine, meant: KeyRow | undefined, document: IniDocument): string {
  const stop = document.problems.find(({ type }) => type === 'unread')
  if (stop !== undefined && line >= stop.line) {
    return line === stop.line ? stop.message : `the file is not read from line ${stop.line} on`
  }
  const glued = document.problems.find((problem) => isGlued(problem, line))
  if (glued !== undefined) return glued.message
  if (section === undefined) return `it is not in a section${belongs(meant)}`
  if (!isSectionName(section)) return sectionFault(section, meant)
  const counting = iniSection(document, section)
  if (counting !== undefined && counting.line > header) return `[${section}] begins again in line ${counting.line}`
  if (meant === undefined) return `[${section}] has no such key`
  if (meant.section !== section) return `${meant.name} belongs in [${meant.section}]`
  if (meant.name !== key) return `[${section}] has no such key: did you mean ${meant.name}?`
  return 'it is set above'
}

function isGlued({ type, line: first, lastLine = first }: IniProblem, line: number): boolean {
  return type === 'glued' && first <= line && line <= lastLine
}

function belongs(meant: KeyRow | undefined): string {
  return meant === undefined ? '' : `: ${meant.name} belongs in [${meant.section}]`
}

function sectionFault(section: string, meant: KeyRow | undefined): string {
  const home = sectionMeant(section)
  if (home === undefined || (meant !== undefined && meant.section !== home)) {
    return `[${section}] is not a section${belongs(meant)}`
  }
  if (home === section.toUpperCase()) return `the section must be written [${home}], not [${section}]`
  return `[${section}] is not a section: did you mean [${home}]?`
}

/** The section whose name it is, or resembles. */
function sectionMeant(section: string | undefined): SectionName | undefined {
  if (section === undefined) return undefined
  const name = normal(section).toUpperCase()
  const names = sectionNames()
  return (
    names.find((known) => known === name) ??
    names.find((known) => name.length >= 4 && (name.startsWith(known) || known.startsWith(name))) ??
    names.find((known) => isMisspelt(name, known))
  )
}

/** Names that people write instead. */
const ALIASES: Readonly<Record<string, string>> = {
  password: 'create_password',
  hosts: 'host',
  hostname: 'host',
  hostnames: 'host',
  ports: 'port',
  listen: 'listen_host',
  listen_address: 'listen_host',
  listen_addr: 'listen_host',
  listen_ip: 'listen_host',
  bind: 'listen_host',
  bind_address: 'listen_host',
  bind_host: 'listen_host',
  queues: 'new_queues',
  create_queues: 'new_queues',
}

/** In [AUTH], what is called like this and is no known key can only be meant as the password of the relay. */
const PASSWORD_LIKE = /pass|pwd|secret|basic_?auth/

/** The row of the key that the line names, or resembles; of several, that of its own section, then the guarded one. */
function meantBy({ key, section }: Pick<SettingLine, 'key' | 'section'>): KeyRow | undefined {
  const [, prefix, last] = /^(\w+)[./](\w+)$/.exec(key) ?? []
  const name = normal(last ?? key).toLowerCase()
  const home = sectionMeant(prefix) ?? sectionMeant(section)
  const rows = keyRows()
  const candidates = [
    (row: KeyRow) => row.name === name,
    (row: KeyRow) => row.name === ALIASES[name] || isMisspelt(name, row.name),
    (row: KeyRow) => row.definition.guard !== undefined && contains(name, row.name),
    (row: KeyRow) =>
      row.name === 'create_password' && (home ?? row.section) === row.section && PASSWORD_LIKE.test(name),
  ]
  for (const isCandidate of candidates) {
    const found = rows.filter(isCandidate)
    const nearest = found.find((row) => row.section === home) ?? found.find(({ definition }) => definition.guard)
    if (found.length > 0) return nearest ?? found[0]
  }
  return undefined
}

/** Whether a name of several words stands in a longer one: `SMP_CREATE_PASSWORD`, `create_password (optional)`. */
function contains(name: string, known: string): boolean {
  return known.includes('_') && `_${name.replace(/\W+/g, '_')}_`.includes(`_${known}_`)
}

function normal(name: string): string {
  return name.trim().replace(/[\s-]+/g, '_')
}

/** Two typing errors in a long name, one in a shorter one, or words run together. */
function isMisspelt(name: string, known: string): boolean {
  const bare = (text: string): string => text.replaceAll('_', '')
  if (bare(name) === bare(known)) return true
  const allowed = known.length >= 8 ? 2 : known.length >= 5 ? 1 : 0
  return Math.abs(name.length - known.length) <= allowed && distance(name, known) <= allowed
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
