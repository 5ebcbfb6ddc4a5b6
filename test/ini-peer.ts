import { parse } from 'ini'
import { iniEntry, parseIni } from '../src/config/ini.ts'
import { keyRows } from '../src/config/keys.ts'

/*
 * The npm package `ini` as an independent reader of what this project writes. Its dialect differs in two ways, which are
 * undone before it reads: `key: value` is a flag to it, and `;` and `#` begin a comment within a value.
 */

/** Every known key that is set, as `SECTION.key`, with its value as the package `ini` reads it. */
export function readByPeer(text: string): Record<string, string> {
  const translated = text.replaceAll(
    /^(\w+) ?[=:](.*)$/gm,
    (_, key: string, value: string) => `${key} = ${value.trim().replaceAll(/[;#\\]/g, '\\$&')}`,
  )
  const sections: Record<string, unknown> = parse(translated)
  return valuesOf((section, key) => {
    const entries = sections[section]
    // It makes booleans of `true` and `false`.
    if (typeof entries === 'object' && entries !== null && key in entries) return String(Reflect.get(entries, key))
    return undefined
  })
}

/** The same as this project reads it. */
export function readHere(text: string): Record<string, string> {
  const document = parseIni(text)
  return valuesOf((section, key) => iniEntry(document, section, key)?.value)
}

function valuesOf(read: (section: string, key: string) => string | undefined): Record<string, string> {
  return Object.fromEntries(
    keyRows().flatMap(({ section, name }) => {
      const value = read(section, name)
      return value === undefined ? [] : [[`${section}.${name}`, value]]
    }),
  )
}
