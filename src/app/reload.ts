import * as v from 'valibot'
import { type Logger, logLevels } from '../config/log.ts'
import type { KeyRow } from '../config/keys.ts'
import type { Paths } from '../config/paths.ts'
import { changedKeys, settingsAtReload } from '../config/read-settings.ts'
import type { Settings } from '../config/settings.ts'
import { AppError } from '../errors/app-error.ts'
import { loadSettings } from './load-settings.ts'

/** What a reload may be asked for besides. */
export const reloadRequest = v.optional(v.object({ logLevel: v.optional(v.picklist(logLevels)) }), {})
export type ReloadRequest = v.InferInput<typeof reloadRequest>

/** What a running relay has made of its INI file. */
export interface Reloaded {
  /** A sentence each. */
  readonly warnings: readonly string[]
  /** One line. */
  readonly summary: string
}

export interface SettingsChange {
  readonly before: Settings
  readonly next: Settings
  readonly changed: readonly KeyRow[]
}

export interface ReloadOptions {
  readonly paths: Paths
  readonly log: Logger
  /** The text that the relay was started with. */
  readonly ini: string
  /**
   * Takes over what is new, renewed certificates as well.
   *
   * @returns whether there are any
   * @throws AppError when nothing was taken over
   */
  readonly adapt: (change: SettingsChange) => Promise<boolean>
}

/** Reads the INI file again and has the running relay take over what it can; a file with a fault changes nothing. */
export class Reload {
  readonly #options: ReloadOptions
  /** What the relay uses. */
  #used: string
  /** One after the other. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: ReloadOptions) {
    this.#options = options
    this.#used = options.ini
  }

  /** @throws AppError when nothing has changed; the log says so as well */
  run(): Promise<Reloaded> {
    const next = this.#last.then(() => this.#run())
    this.#last = next.catch(() => undefined)
    return next
  }

  async #run(): Promise<Reloaded> {
    const { paths, log, ini, adapt } = this.#options
    try {
      const { text, warnings } = await loadSettings(paths)
      const changed = changedKeys(this.#used, text).filter(({ definition }) => !definition.restart)
      const waiting = changedKeys(ini, text).filter(({ definition }) => definition.restart)
      const settingsOf = (version: string): Settings => settingsAtReload(version, ini, paths.ini)
      const hasNewCertificate = await adapt({ before: settingsOf(this.#used), next: settingsOf(text), changed })
      this.#used = text
      for (const warning of warnings) log.warn(warning)
      const summary = summaryOf(changed, waiting, hasNewCertificate)
      log.note(summary)
      return { warnings, summary }
    } catch (error) {
      if (error instanceof AppError) log.error(`Reload failed, and nothing has changed. ${faultOf(error)}`)
      else log.error('Reload failed', { error })
      throw error
    }
  }
}

/** On one line, without the warnings that the relay gives with every error. */
function faultOf({ message, remedy }: AppError): string {
  const lines = message.split('\n').filter((line) => !line.startsWith('Warning: '))
  return [...lines, ...(remedy === undefined ? [] : [remedy])].join(' ')
}

function summaryOf(changed: readonly KeyRow[], waiting: readonly KeyRow[], hasNewCertificate: boolean): string {
  const applied = [...changed.map(keyText), ...(hasNewCertificate ? ['the certificate of the relay'] : [])]
  const now = applied.length > 0 ? `Applied: ${applied.join(', ')}.` : 'No setting has changed.'
  if (waiting.length === 0) return now
  return `${now} After a restart: ${waiting.map(keyText).join(', ')}.`
}

function keyText({ section, name }: KeyRow): string {
  return `[${section}] ${name}`
}

/** Whether one of the changed keys is one of these: `[WEB]` for any of that section, or `[WEB] https`. */
export function hasChanged(changed: readonly KeyRow[], ...names: readonly string[]): boolean {
  return changed.some((row) => names.includes(`[${row.section}]`) || names.includes(keyText(row)))
}
