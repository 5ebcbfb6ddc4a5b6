import { accessSync, constants } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { AppError } from '../config/app-error.ts'
import type { Paths } from '../config/paths.ts'
import { readSettings, type SettingsResult } from '../config/settings.ts'
import { Refusal } from './output.ts'

/** @throws Refusal when there is no INI file, AppError `INI_UNREADABLE` when this user may not read it */
export function requireIni(paths: Paths): void {
  try {
    accessSync(paths.ini, constants.R_OK)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EACCES') {
      throw new AppError(
        'INI_UNREADABLE',
        `This user may not read ${paths.ini}.`,
        'Run the command as the user that the relay belongs to, e.g. `sudo -u smp smp-server …`.',
      )
    }
    throw new Refusal(`Error: server is not initialized (${paths.ini} does not exist).`, 'Run `smp-server init`.')
  }
}

/** The settings of this relay, for every command but `init` and `delete`. */
export async function loadSettings(paths: Paths): Promise<SettingsResult> {
  requireIni(paths)
  return readSettings(await readFile(paths.ini, 'utf8'), paths.ini)
}
