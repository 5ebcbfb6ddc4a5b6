import { existsSync } from 'node:fs'
import { readIni } from '../config/ini-file.ts'
import type { Paths } from '../config/paths.ts'
import { readSettings, type SettingsResult } from '../config/read-settings.ts'
import { checkIniAccess } from './access.ts'
import { Refusal } from '../errors/refusal.ts'

/** @throws Refusal without an INI file, AppError `FILE_OWNER` when this user may not read it */
export function requireIni(paths: Paths): void {
  checkIniAccess(paths)
  if (!existsSync(paths.ini)) {
    throw new Refusal(`Error: server is not initialized (${paths.ini} does not exist).`, 'Run `smp-server init`.')
  }
}

export interface LoadedSettings extends SettingsResult {
  /** Of the INI file. */
  readonly text: string
}

/** The settings of this relay. @throws whatever `requireIni`, `readIni` and `readSettings` throw */
export async function loadSettings(paths: Paths): Promise<LoadedSettings> {
  requireIni(paths)
  const { text } = await readIni(paths.ini)
  return { text, ...readSettings(text, paths.ini) }
}
