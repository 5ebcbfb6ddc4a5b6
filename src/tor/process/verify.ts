import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommandRunner } from '../../system/command.ts'
import type { TorPlace } from './tor-place.ts'
import { verifyTorrc } from './torrc.ts'

/** The defaults that the unit of this tor gives it. */
export async function unitDefaults({ defaults, instance }: Pick<TorPlace, 'defaults' | 'instance'>): Promise<string> {
  return (await readFile(defaults, 'utf8')).replaceAll('@@NAME@@', instance)
}

/**
 * Lets tor check a torrc that is not in place yet.
 *
 * @returns tor's own reason when it refuses
 * @throws AppError `TOR_MISSING`
 */
export async function verifyTorrcText(text: string, defaults: string, run: CommandRunner): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'smp-torrc-'))
  try {
    const args = ['--defaults-torrc', join(directory, 'defaults'), '-f', join(directory, 'torrc'), '--RunAsDaemon', '0']
    await writeFile(join(directory, 'defaults'), defaults, { mode: 0o600 })
    await writeFile(join(directory, 'torrc'), text, { mode: 0o600 })
    return await verifyTorrc({ run, binary: '/usr/bin/tor', args })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
