import { isDeepStrictEqual } from 'node:util'
import type { Logger } from '../config/log.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { AppError } from '../errors/app-error.ts'
import { loadSettings } from './load-settings.ts'

/** What a running relay follows by itself. */
const FOLLOWED: readonly string[] = ['tor']

/** Reads the INI file again, and says which changes a running relay follows and which wait for a restart. */
export async function reportReload(running: Settings, paths: Paths, log: Logger): Promise<void> {
  try {
    const { settings, warnings } = await loadSettings(paths)
    for (const warning of warnings) log.warn(warning)
    const before: Readonly<Record<string, unknown>> = { ...running }
    const changed = Object.entries(settings).flatMap(([part, now]) =>
      isDeepStrictEqual(now, before[part]) ? [] : [part],
    )
    const waiting = changed.filter((part) => !FOLLOWED.includes(part))
    if (waiting.length > 0) log.warn(`changes of ${waiting.join(', ')} take effect after a restart`)
    else log.note(changed.length > 0 ? 'the changed settings are followed' : 'no setting has changed')
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    log.error(`the settings are not taken over: ${error.message} ${error.remedy ?? ''}`.trim())
  }
}
