import { type IniDocument, iniEntry, iniValue } from './ini.ts'
import { keyRows } from './keys.ts'
import { type StrayLine, strayLines } from './stray-lines.ts'

export interface IgnoredLines {
  /** Sentences about lines without which the relay must not run. */
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
}

/** More are only counted. */
const MAX_WARNINGS = 10

/**
 * What is ignored in the INI file.
 *
 * @param file its path, for the messages
 */
export function ignoredLines(document: IniDocument, file: string): IgnoredLines {
  const strays = strayLines(document)
  const dangerous = strays.filter((stray) => isDangerous(stray, document.text))
  // The keys of a line at which reading stops are strays as well, and say so themselves.
  const structure = document.problems
    .filter(({ line, lastLine = line }) => !strays.some((stray) => stray.line === line || stray.line === lastLine))
    .map(({ line, message }) => `${file}:${line}: ${message}.`)
  const others = strays.filter((stray) => !dangerous.includes(stray)).map((stray) => sentence(stray, file))
  const more = others.length - MAX_WARNINGS
  return {
    errors: dangerous.map(
      (stray) => `${sentence(stray, file)} Without it, ${stray.meant?.definition.guard?.risk ?? ''}.`,
    ),
    warnings: [
      ...structure,
      ...unusedKeys(document, file),
      ...others.slice(0, MAX_WARNINGS),
      ...(more > 0 ? [`${file}: ${more} more lines are ignored.`] : []),
    ],
  }
}

/** Whether the relay would be more open, emptier or less private than this line asks for. */
function isDangerous({ meant, value, isCertain }: StrayLine, text: string): boolean {
  const guard = meant?.definition.guard
  if (!meant || !guard || (guard.when !== undefined && guard.when !== value)) return false
  const counting = iniValue(text, meant.section, meant.name)
  if (counting === undefined) return meant.definition.default !== value
  return isCertain && guard.when !== undefined && counting !== value
}

function sentence({ line, section, key, why }: StrayLine, file: string): string {
  const place = section === undefined ? '' : ` in [${section}]`
  return `${file}:${line}: ${key}${place} is ignored: ${why}${why.endsWith('?') ? '' : '.'}`
}

/** Settings that this relay knows and has no use for. */
function unusedKeys(document: IniDocument, file: string): string[] {
  return keyRows().flatMap(({ section, name, definition: { unused } }) => {
    const entry = unused === undefined ? undefined : iniEntry(document, section, name)
    return entry ? [`${file}:${entry.line}: [${section}] ${name} has no effect: ${unused}.`] : []
  })
}
