import type { Paths } from '../../config/paths.ts'
import { loadSettings } from '../load-settings.ts'
import { askStatus } from '../relay-status.ts'
import { faultFinding, type Finding } from './finding.ts'
import { fileFindings } from './files.ts'
import { machineFindings } from './machine.ts'
import { relayFindings } from './relay.ts'

/** Looks at everything that support would ask for; nothing is changed. */
export async function examine(paths: Paths): Promise<Finding[]> {
  const pid = (await askStatus(paths).catch(() => undefined))?.pid
  const found = await loadSettings(paths).catch((error: unknown) => faultFinding('settings', 'fail', error))
  const files = await fileFindings(paths)
  const machine = await machineFindings(paths, pid)
  if ('check' in found) return [found, ...files, ...machine]
  const { settings, warnings } = found
  const notes = warnings.map((text): Finding => ({ check: 'settings', level: 'warn', text }))
  const sound: Finding = { check: 'settings', level: 'ok', text: `${paths.ini} can be read.` }
  return [
    ...(notes.length > 0 ? notes : [sound]),
    ...files,
    ...(await relayFindings({ settings, paths, pid })),
    ...machine,
  ]
}
