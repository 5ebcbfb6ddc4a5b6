import { AppError } from '../errors/app-error.ts'

/*
 * The INI file belongs to the operator: it is read by the rules of upstream, and written by changing one line and
 * keeping every other byte.
 *
 *   file    = *entry *section
 *   section = blank "[" name "]" *entry
 *   entry   = blank key ("=" / ":") value EOL       blank = white space and comment lines ("#" or ";")
 *
 * A key may contain anything but "=", ":", "[" and "]", line breaks included, so a line without a separator is glued
 * to the next one. Where neither an entry nor a section begins, reading stops and the rest of the file is ignored;
 * `IniDocument.problems` says so. The first of two equal keys in a section counts, and the last of two equal sections.
 */

export interface IniEntry {
  readonly key: string
  readonly value: string
  /** 1-based line of the separator. */
  readonly line: number
  /** Offsets into the text: of the separator, and of the end of the value's line without its line break. */
  readonly separatorAt: number
  readonly endAt: number
}

export interface IniSection {
  readonly name: string
  readonly line: number
  /** Offset after the closing bracket. */
  readonly headerEnd: number
  /** Offset of the next section's bracket, or of the end of what was read. */
  readonly bodyEnd: number
  readonly entries: readonly IniEntry[]
}

export interface IniProblem {
  readonly line: number
  /** Of a glued line: the line that it swallows. */
  readonly lastLine?: number
  readonly type: 'glued' | 'unread' | 'repeated key' | 'repeated section'
  /** A sentence without its full stop. */
  readonly message: string
}

export interface IniDocument {
  readonly text: string
  /** All sections in file order; of two with the same name only the last one counts. */
  readonly sections: readonly IniSection[]
  readonly problems: readonly IniProblem[]
}

/** Reads a whole file. Never fails: what it cannot read is in `problems`. */
export function parseIni(text: string): IniDocument {
  const lineOf = lineCounter(text)
  const sections: IniSection[] = []
  const problems: IniProblem[] = []
  let at = skipEntries(text, skipBlank(text, 0), lineOf, problems).end
  while (at < text.length) {
    const header = /^\[([^[\]]*)\]/.exec(text.slice(at, lineEnd(text, at)))
    if (!header) {
      const line = lineOf(at)
      const message = `line ${line} ${unreadFault(text.slice(at, lineEnd(text, at)))}, so the rest of the file is ignored`
      problems.push({ line, type: 'unread', message })
      break
    }
    const name = (header[1] ?? '').trim()
    const headerEnd = at + header[0].length
    const body = skipEntries(text, skipBlank(text, headerEnd), lineOf, problems)
    if (sections.some((section) => section.name === name)) {
      const message = `[${name}] appears again in line ${lineOf(at)} and replaces the earlier section completely`
      problems.push({ line: lineOf(at), type: 'repeated section', message })
    }
    sections.push({ name, line: lineOf(at), headerEnd, bodyEnd: body.end, entries: body.entries })
    at = body.end
  }
  return { text, sections, problems }
}

/** The section that counts, i.e. the last one of this name (case matters). */
export function iniSection(document: IniDocument, section: string): IniSection | undefined {
  return document.sections.findLast(({ name }) => name === section)
}

/** The entry that counts, i.e. the first one of this key in the last section of this name. */
export function iniEntry(document: IniDocument, section: string, key: string): IniEntry | undefined {
  return iniSection(document, section)?.entries.find((entry) => entry.key === key)
}

/** The trimmed value, `''` when the key is there without a value, `undefined` when it is missing or commented out. */
export function iniValue(text: string, section: string, key: string): string | undefined {
  return iniEntry(parseIni(text), section, key)?.value
}

/**
 * Sets one key and keeps every other byte. An active key keeps its line and its separator; a missing one is written
 * below its commented sample if there is one, else at the end of its section; a missing section goes to the end.
 *
 * @throws AppError `INI_WRITE` when the value cannot be written in one line, or would not be read back.
 */
export function setIniValue(text: string, section: string, key: string, value: string): string {
  if (value !== value.trim() || /[\r\n]/.test(value)) {
    throw new AppError('INI_WRITE', `The value of [${section}] ${key} must be one line without blanks around it.`)
  }
  const changed = withValue(parseIni(text), section, key, value)
  const written = parseIni(changed)
  if (iniEntry(written, section, key)?.value !== value) {
    const why = written.problems.find(({ type }) => type === 'unread')
    throw new AppError(
      'INI_WRITE',
      `[${section}] ${key} cannot be set: ${why?.message ?? 'the file would not read back the same'}.`,
      'Fix that line of the INI file, or put # in front of it, and run the command again.',
    )
  }
  return changed
}

/**
 * Removes a key, and leaves its name as a comment.
 *
 * @throws AppError `INI_WRITE` when another line would count then, or the file would not be read back
 */
export function removeIniValue(text: string, section: string, key: string): string {
  const entry = iniEntry(parseIni(text), section, key)
  if (!entry) return text
  const lineStart = text.lastIndexOf('\n', entry.separatorAt) + 1
  const changed = `${text.slice(0, lineStart)}# ${key} =${text.slice(entry.endAt)}`
  const others = (document: IniDocument): number => document.sections.flatMap(({ entries }) => entries).length
  const document = parseIni(changed)
  if (iniEntry(document, section, key) === undefined && others(document) === others(parseIni(text)) - 1) return changed
  throw new AppError(
    'INI_WRITE',
    `[${section}] ${key} cannot be removed: another line of the file would count then.`,
    `Remove all lines with ${key}, and run the command again.`,
  )
}

function withValue(document: IniDocument, section: string, key: string, value: string): string {
  const { text } = document
  const eol = /\r?\n/.exec(text)?.[0] ?? '\n'
  const entry = iniEntry(document, section, key)
  if (entry) {
    const upToSeparator = text.slice(0, entry.separatorAt + 1)
    return `${upToSeparator}${value && ` ${value}`}${text.slice(entry.endAt)}`
  }
  const line = `${key} =${value && ` ${value}`}`
  const home = iniSection(document, section)
  if (!home) {
    const gap = text === '' || text.endsWith(eol + eol) ? '' : text.endsWith(eol) ? eol : eol + eol
    return `${text}${gap}[${section}]${eol}${line}${eol}`
  }
  const at = commentedSampleEnd(text, home, key) ?? home.entries.at(-1)?.endAt ?? lineEnd(text, home.headerEnd)
  return `${text.slice(0, at)}${eol}${line}${text.slice(at)}`
}

/** Offset of the end of the last line like `# key = sample` in the section. */
function commentedSampleEnd(text: string, section: IniSection, key: string): number | undefined {
  const body = text.slice(section.headerEnd, section.bodyEnd)
  const samples = body.matchAll(/^[ \t]*[#;][ \t]*([^\s=:]+)[ \t]*[=:][^\r\n]*/gm)
  const last = [...samples].findLast((sample) => sample[1] === key)
  return last && section.headerEnd + last.index + last[0].length
}

function skipEntries(
  text: string,
  from: number,
  lineOf: (at: number) => number,
  problems: IniProblem[],
): { entries: IniEntry[]; end: number } {
  const entries: IniEntry[] = []
  let at = from
  for (;;) {
    const separatorAt = indexOfAny(text, '=:[]', at)
    const separator = text[separatorAt]
    if (separatorAt === at || (separator !== '=' && separator !== ':')) return { entries, end: at }
    const key = text.slice(at, separatorAt).trim()
    const endAt = lineEnd(text, separatorAt)
    const line = lineOf(separatorAt)
    const gluedTo = /[\r\n]/.test(key) ? lineOf(at) : undefined
    if (gluedTo !== undefined) {
      const message = `line ${gluedTo} ${gluedFault(text, at, entries.length > 0)}, so line ${line} is ignored`
      problems.push({ line: gluedTo, lastLine: line, type: 'glued', message })
    } else if (entries.some((entry) => entry.key === key)) {
      problems.push({
        line,
        type: 'repeated key',
        message: `${key} in line ${line} is ignored, because it is set above`,
      })
    }
    entries.push({ key, value: text.slice(separatorAt + 1, endAt).trim(), line, separatorAt, endAt })
    at = skipBlank(text, endAt)
  }
}

/** What is wrong with a line at which the reading stops. */
function unreadFault(line: string): string {
  if (/^[^=:[\]]+\[[^\]]*\]\s*[=:]/.test(line)) return 'is an array, which this file cannot have (write one line)'
  if (line.startsWith('[[')) return 'is a section in a section, which this file cannot have'
  if (/^\[[^\]]*$/.test(line)) return 'has no closing ]'
  if (/^[=:]/.test(line)) return 'has nothing in front of the separator'
  return 'is not a setting'
}

/** What is wrong with a line without a separator; a value goes on there in the INI files of other programs. */
function gluedFault(text: string, at: number, isBelowEntry: boolean): string {
  const isIndented = /[ \t]/.test(text.charAt(at - 1))
  return isBelowEntry && isIndented ? 'continues a value, but a value is one line' : 'has neither = nor :'
}

/** Skips white space, a byte order mark and comment lines. */
function skipBlank(text: string, from: number): number {
  let at = from
  while (at < text.length) {
    const char = text[at]
    if (char === '#' || char === ';') at = lineEnd(text, at)
    else if (isBlank(char)) at += 1
    else break
  }
  return at
}

function isBlank(char = 'x'): boolean {
  return char.trim() === ''
}

function lineEnd(text: string, from: number): number {
  return indexOfAny(text, '\r\n', from)
}

function indexOfAny(text: string, chars: string, from: number): number {
  let at = from
  while (at < text.length && !chars.includes(text.charAt(at))) at += 1
  return at
}

function lineCounter(text: string): (at: number) => number {
  const starts = [0, ...[...text.matchAll(/\n/g)].map((match) => match.index + 1)]
  return (at) => starts.findLastIndex((start) => start <= at) + 1
}
