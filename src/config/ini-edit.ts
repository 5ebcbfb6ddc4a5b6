import { createHash } from 'node:crypto'
import * as v from 'valibot'
import { iniEntry, iniValue, parseIni, setIniValue } from './ini.ts'
import { hostsOf, withHosts } from './ini-hosts.ts'
import { isOnion } from '../protocol/host.ts'

/*
 * Changes of the INI file that can be rolled back: byte by byte while the file is as the change left it, and key by key
 * if it was edited since.
 */

const iniEdit = v.object({
  section: v.string(),
  key: v.string(),
  /** Values; `null` where the key was missing. */
  before: v.nullable(v.string()),
  after: v.string(),
  /** `removed` was replaced by `inserted` at this offset of the text. */
  at: v.number(),
  removed: v.string(),
  inserted: v.string(),
})

export const iniChange = v.object({
  type: v.literal('ini'),
  /** Hashes of the text, to recognise what the file is now. */
  before: v.string(),
  after: v.string(),
  edits: v.array(iniEdit),
})

export type IniEdit = v.InferOutput<typeof iniEdit>
export type IniChange = v.InferOutput<typeof iniChange>

/** Collects edits of one text. */
export class IniEditor {
  readonly #original: string
  readonly #edits: IniEdit[] = []
  #text: string

  constructor(text: string) {
    this.#original = text
    this.#text = text
  }

  get text(): string {
    return this.#text
  }

  /** What was changed, if anything. */
  get change(): IniChange | undefined {
    if (this.#text === this.#original) return undefined
    return { type: 'ini', before: hash(this.#original), after: hash(this.#text), edits: this.#edits }
  }

  /** @throws AppError `INI_WRITE` */
  set(section: string, key: string, value: string): void {
    this.take(section, key, setIniValue(this.#text, section, key, value))
  }

  /** Accepts a text in which this one key was set. */
  take(section: string, key: string, text: string): void {
    if (text === this.#text) return
    const before = iniValue(this.#text, section, key) ?? null
    const after = iniValue(text, section, key) ?? ''
    this.#edits.push({ section, key, before, after, ...difference(this.#text, text) })
    this.#text = text
  }
}

export interface UndoneIni {
  readonly text: string
  /** Keys such as `[TOR] mode` that the operator changed since, and that stay. */
  readonly left: readonly string[]
}

/** Rolls one change back. */
export function undoIniChange(text: string, change: IniChange): UndoneIni {
  const now = hash(text)
  // It was recorded, but never made.
  if (now === change.before) return { text, left: [] }
  const edits = change.edits.toReversed()
  if (now === change.after) return { text: edits.reduce(undoExactly, text), left: [] }
  const left: string[] = []
  for (const edit of edits) {
    const undone = edit.key === 'host' ? undoHosts(text, edit) : undoValue(text, edit)
    if (undone === undefined) left.push(`[${edit.section}] ${edit.key}`)
    else text = undone
  }
  return { text, left }
}

function undoExactly(text: string, { at, removed, inserted }: IniEdit): string {
  return text.slice(0, at) + removed + text.slice(at + inserted.length)
}

/** Removes the onion addresses that the edit added; other hosts stay. */
function undoHosts(text: string, { before, after }: IniEdit): string {
  const were = hostsOf(before ?? '')
  const added = hostsOf(after).filter((host) => isOnion(host) && !were.includes(host))
  return withHosts(text, (hosts) => hosts.filter((host) => !added.includes(host.toLowerCase())))
}

function undoValue(text: string, edit: IniEdit): string | undefined {
  const { section, key, before, after, inserted } = edit
  const now = iniValue(text, section, key)
  if (now === undefined) return text
  if (now !== after) return undefined
  if (before !== null) return setIniValue(text, section, key, before)
  // With everything that the edit added, such as a section header, if that is still in one piece.
  const at = text.indexOf(inserted)
  if (at >= 0 && !text.includes(inserted, at + 1)) {
    const rest = text.slice(0, at) + text.slice(at + inserted.length)
    if (iniValue(rest, section, key) === undefined && sameOthers(text, rest, section, key)) return rest
  }
  return withoutKey(text, section, key)
}

/** Whether all other keys keep their values. */
function sameOthers(text: string, rest: string, section: string, key: string): boolean {
  const values = (ini: string): string =>
    parseIni(ini)
      .sections.flatMap(({ name, entries }) => entries.map((entry) => [name, entry.key, entry.value]))
      .filter(([name, entry]) => name !== section || entry !== key)
      .map((row) => JSON.stringify(row))
      .join()
  return values(text) === values(rest)
}

/** Removes the line of a key. */
function withoutKey(text: string, section: string, key: string): string {
  const entry = iniEntry(parseIni(text), section, key)
  if (!entry) return text
  const start = text.lastIndexOf('\n', entry.separatorAt) + 1
  const eol = /^\r?\n/.exec(text.slice(entry.endAt))?.[0].length ?? 0
  return text.slice(0, start) + text.slice(entry.endAt + eol)
}

/** The shortest replacement that turns `before` into `after`. */
function difference(before: string, after: string): { at: number; removed: string; inserted: string } {
  const limit = Math.min(before.length, after.length)
  let at = 0
  while (at < limit && before[at] === after[at]) at += 1
  let same = 0
  while (same < limit - at && before.at(-1 - same) === after.at(-1 - same)) same += 1
  return { at, removed: before.slice(at, before.length - same), inserted: after.slice(at, after.length - same) }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
