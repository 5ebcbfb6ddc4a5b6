import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { torrcValue } from './torrc.ts'

/*
 * Lines of a torrc and of what it includes (tor.1, "The configuration file format").
 *
 *   line  = *blank ["+" / "/"] name [1*blank value] [comment]     value = quoted / text up to "#"
 *   a line that ends in "\" goes on in the next one, unless that "\" is in a comment
 *   a comment in one of the lines that continue it does not end it
 */

export interface TorrcLine {
  /** Where it stands; one of the included files perhaps. */
  readonly file: string
  /** 0-based numbers of its first and last line in that file. */
  readonly first: number
  readonly last: number
  /** In lower case. */
  readonly name: string
  readonly value: string
  /** The whole line as it stands, with the lines that continue it. */
  readonly raw: string
}

/** As deep as tor itself follows %include. */
const maxDepth = 31

/** All lines in the order in which tor reads them; files that cannot be read are skipped. */
export async function torrcLines(path: string, depth = 0): Promise<TorrcLine[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const lines: TorrcLine[] = []
  for (const line of parseTorrc(text, path)) {
    if (line.name !== '%include') lines.push(line)
    else if (depth < maxDepth) {
      for (const file of await includedFiles(line.value)) lines.push(...(await torrcLines(file, depth + 1)))
    }
  }
  return lines
}

/** The lines of one file, `%include` among them. */
export function parseTorrc(text: string, file: string): TorrcLine[] {
  const rows = text.split('\n').map((row) => row.replace(/\r$/, ''))
  const lines: TorrcLine[] = []
  for (let first = 0; first < rows.length; first += 1) {
    let row = rows[first] ?? ''
    let last = first
    for (let isOpen = /^[^#]*\\$/.test(row); isOpen && last + 1 < rows.length;) {
      last += 1
      const next = rows[last] ?? ''
      isOpen = next.includes('#') || next.endsWith('\\')
      // The "\\" ends the name, too.
      row = row.replace(/^(\s*\S+)\\$/, '$1 ').replace(/\\$/, '') + next.replace(/#.*$/, '')
    }
    const match = /^\s*[+/]?([^\s#]+)\s*("(?:[^"\\]|\\.)*"|[^#]*)/.exec(row)
    if (match) {
      const [, name = '', raw = ''] = match
      const value = raw.startsWith('"') ? raw.slice(1, -1).replace(/\\(.)/g, '$1') : raw.trim()
      lines.push({ file, first, last, name: name.toLowerCase(), value, raw: rows.slice(first, last + 1).join('\n') })
    }
    first = last
  }
  return lines
}

/**
 * The text of a torrc as it will be when an included file has new text, so that tor can check it before anything is
 * written: the new text replaces the include, and the other files of that include are included one by one. At the end
 * when nothing includes the file yet.
 */
export async function withIncluded(torrc: string, file: string, text: string): Promise<string> {
  const rows = torrc.split('\n')
  let isIncluded = false
  for (const { name, value, first, last } of parseTorrc(torrc, '').reverse()) {
    const files = name === '%include' ? (await includedFiles(value)).map((path) => resolve(path)) : []
    if (!files.includes(file)) continue
    isIncluded = true
    const stand = files.map((path) => (path === file ? text : `%include ${torrcValue(path)}`))
    rows.splice(first, last - first + 1, ...stand)
  }
  return isIncluded ? rows.join('\n') : `${torrc}\n${text}`
}

/** A file, all files of a directory, or those of a directory whose names match a pattern with `*` and `?`. */
async function includedFiles(value: string): Promise<string[]> {
  const list = async (directory: string, pattern: RegExp): Promise<string[]> => {
    const entries = await readdir(directory, { withFileTypes: true }).catch(() => [])
    const files = entries.filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    return files
      .map(({ name }) => name)
      .filter((name) => pattern.test(name))
      .sort()
      .map((name) => join(directory, name))
  }
  const name = basename(value)
  if (/[*?]/.test(name)) {
    const escaped = name.replace(/[.+^${}()|[\]\\]/g, '\\$&')
    return await list(dirname(value), new RegExp(`^${escaped.replace(/\*/g, '.*').replace(/\?/g, '.')}$`))
  }
  const files = await list(value, /^/)
  return files.length > 0 ? files : [value]
}
