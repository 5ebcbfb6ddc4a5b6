import { type IniChange, type IniEditor, undoIniChange } from '../../../config/ini-edit.ts'
import { type IniFile, readIni, replaceIni, requireUnchanged } from '../../../config/ini-file.ts'
import type { SetupJournal } from '../journal.ts'
import type { RevertTools, Step } from '../step.ts'

/** Writes the edited INI file. */
export function iniStep(path: string, before: IniFile, editor: IniEditor, tools: RevertTools): Step {
  const { change, text } = editor
  return {
    describe: 'Write the onion address and the settings into the INI file',
    changes: { files: [{ path, before: before.text, after: text }] },
    isDone: !change,
    entries: change ? [change] : [],
    apply: () => replaceIni(path, before, text),
    revert: async () => (change ? await revertIni(change, tools) : []),
  }
}

export async function revertIni(
  change: IniChange,
  { places: { ini: path } }: Pick<RevertTools, 'places'>,
): Promise<readonly string[]> {
  const ini = await readIni(path)
  const { text, left } = undoIniChange(ini.text, change)
  if (text !== ini.text) await replaceIni(path, ini, text)
  return left.map((key) => `${key} was changed since, and stays in ${path}.`)
}

/**
 * Writes an edited INI file outside of a setup, and records the change first.
 *
 * @returns whether there was anything to change
 * @throws AppError `INI_CHANGED`, and the system's error
 */
export async function changeIni(
  path: string,
  before: IniFile,
  editor: IniEditor,
  journal: SetupJournal,
): Promise<boolean> {
  const { change, text } = editor
  if (!change) return false
  await requireUnchanged(path, before)
  await journal.add(change)
  await replaceIni(path, before, text)
  return true
}
