import type { Paths } from '../../config/paths.ts'
import { loadSettings } from '../load-settings.ts'
import { askStatus } from '../relay-status.ts'
import { packageVersion } from '../version.ts'
import { faultFinding, type Finding } from './finding.ts'
import { fileFindings } from './files.ts'
import { machineFindings } from './machine.ts'
import { relayFindings } from './relay.ts'

/** Looks at everything that support would ask for; nothing is changed. */
export async function examine(paths: Paths): Promise<Finding[]> {
  const running = await askStatus(paths).catch(() => undefined)
  const pid = running?.pid
  const found = await loadSettings(paths).catch((error: unknown) => faultFinding('settings', 'fail', error))
  const files = await fileFindings(paths)
  const machine = [...(running ? [versionFinding(running.version)] : []), ...(await machineFindings(paths, pid))]
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

/** Of a relay that was not restarted after an update. */
export function versionFinding(running: string, installed = packageVersion()): Finding {
  const check = 'version'
  if (running === installed)
    return { check, level: 'ok', text: `The relay runs version ${running}, which is installed.` }
  const text = `The relay runs version ${running}, but ${installed} is installed.`
  return { check, level: 'warn', text, remedy: 'Restart it: `systemctl restart smp-server`' }
}
