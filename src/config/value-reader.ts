import * as v from 'valibot'
import { type IniDocument, iniEntry } from './ini.ts'
import { type IniKey, iniKeys, type KeyName, type KeyValue, keyRows, type SectionName } from './keys.ts'
import { strayLines } from './stray-lines.ts'

/** Reads values by the table of keys and collects what is wrong with them. */
export class ValueReader {
  readonly errors: string[] = []
  readonly warnings: string[] = []
  readonly #document: IniDocument
  readonly #running: IniDocument
  readonly #file: string

  /** @param running what keys that take effect at a restart are read from */
  constructor(document: IniDocument, file: string, running = document) {
    this.#document = document
    this.#running = running
    this.#file = file
  }

  /** The value. A bad one adds a sentence to `errors` and counts as missing. */
  read<S extends SectionName, K extends KeyName<S>>(section: S, key: K): KeyValue<S, K> {
    const definition: IniKey<KeyValue<S, K>> = definitionOf(section, key)
    const entry = iniEntry(definition.restart ? this.#running : this.#document, section, key)
    if (entry) {
      const result = v.safeParse(definition.schema, entry.value)
      if (result.success) {
        const doubt = doubtAbout(entry.value, result.output)
        if (doubt !== undefined) this.warnings.push(this.#sentence(section, key, doubt))
        return valueOf(definition, result.output)
      }
      const sentence = this.#sentence(section, key, valueFault(entry.value, result.issues[0].message))
      if (definition.lenient) this.warnings.push(`${sentence} It is ignored.`)
      else this.errors.push(sentence)
    }
    const usual = definition.default === undefined ? undefined : v.parse(definition.schema, definition.default)
    return valueOf(definition, usual)
  }

  /** Like `read`, for keys that must be there. */
  required<S extends SectionName, K extends KeyName<S>>(section: S, key: K): KeyValue<S, K> {
    if (!iniEntry(this.#document, section, key)) {
      const stray = strayLines(this.#document).find(({ meant }) => meant?.section === section && meant.name === key)
      const seen = stray && `; ${stray.key} in line ${stray.line} is ignored: ${stray.why}`
      const broken = this.#document.problems.find(({ type }) => type === 'glued' || type === 'unread')
      const why = seen ?? (broken ? ` (${broken.message})` : '')
      this.errors.push(`${this.#file}: [${section}] ${key} is missing${why}.`)
    }
    return this.read(section, key)
  }

  /** @param fault a predicate, as in the messages of the schemas */
  refuse(section: SectionName, key: string, fault: string): void {
    this.errors.push(this.#sentence(section, key, fault))
  }

  #sentence(section: SectionName, key: string, fault: string): string {
    const entry = iniEntry(this.#document, section, key)
    const secret = keyRows().some((row) => row.section === section && row.name === key && row.definition.secret)
    const shown = entry === undefined ? '(missing)' : entry.value === '' ? '(empty)' : secret ? '…' : entry.value
    const line = entry ? `:${entry.line}` : ''
    return `${this.#file}${line}: [${section}] ${key} = ${shown}: ${fault}.`
  }
}

function definitionOf<S extends SectionName, K extends KeyName<S>>(section: S, key: K): IniKey<KeyValue<S, K>> {
  // True by the types of the table; a generic index loses it.
  return iniKeys[section][key] as unknown as IniKey<KeyValue<S, K>>
}

function valueOf<T>(_definition: IniKey<T>, output: unknown): T {
  // `output` comes from the schema of the definition, and T is the output of that schema.
  return output as T
}

function isQuoted(value: string): boolean {
  return /^(["'])[^]*\1$/.test(value) && value.length > 1
}

/** `${NAME}`, `$NAME`, `{{name}}`, `<name>`, `%NAME%`: from a template in which it was to be replaced. */
const PLACEHOLDER = /^(?:\$\{.*\}|\$[A-Z_]+|\{\{.*\}\}|<.*>|%[A-Z_]+%)$/

/** Why an accepted value is perhaps not what was meant. */
function doubtAbout(value: string, output: unknown): string | undefined {
  if (isQuoted(value)) return 'the quotation marks are read as a part of the value'
  if (output === value && PLACEHOLDER.test(value)) return 'this looks like a placeholder, and is used as it stands'
  return undefined
}

/** What is wrong with a value that its schema refuses; habits from the INI files of other programs come first. */
function valueFault(value: string, message: string): string {
  if (isQuoted(value)) return 'write it without quotation marks'
  if (/(?:^|\s)[#;]/.test(value) && !message.includes('comment')) return `${message}; a comment needs a line of its own`
  if (/^[=>]/.test(value)) return `${message}; the separator is one = or one :`
  return message
}
