import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AppError } from '../../../errors/app-error.ts'
import { writeDurably } from '../../../system/durable-file.ts'
import { removeAbandoned } from '../../../system/temporary-file.ts'
import { usualTorrcs } from '../../process/hidden-services.ts'
import { torrcRefused } from '../../process/torrc.ts'
import { instanceOf, torPlace } from '../../process/tor-place.ts'
import { unitDefaults, verifyTorrcText } from '../../process/verify.ts'
import { type Adoption, isTorConfiguration, uncommented } from '../adopt.ts'
import type { RevertTools, Step } from '../step.ts'

/** Takes an adopted service out of the tor that had it: two tors that publish one address take it from each other. */
export function adoptionStep({ service, files, candidate }: Adoption, tools: RevertTools): Step {
  const { torrc } = service
  const instance = instanceOf(torrc)
  const unit = instance === undefined ? undefined : torPlace(instance).unit
  const changed = files.filter(({ before, after }) => before !== after)
  return {
    describe: `Comment the service out in ${torrc}, so that only the relay publishes it`,
    changes: { files, commands: unit === undefined ? [] : [`systemctl restart ${unit}   # if it runs`] },
    isDone: changed.length === 0,
    entries: changed.map(({ path: file }) => ({ type: 'adopted', torrc, file })),
    apply: async () => {
      const defaults = instance === undefined ? '' : await unitDefaults(torPlace(instance))
      const reason = await verifyTorrcText(candidate, defaults, tools.run)
      if (reason !== undefined) throw torrcRefused(`${torrc} without the service`, reason, `Fix ${torrc} first.`)
      for (const { path, before, after } of changed) {
        if ((await readFile(path, 'utf8')) !== before) {
          throw new AppError('TORRC_CHANGED', `${path} was changed in the meantime.`, 'Run the command again.')
        }
        await writeDurably(path, after, { mode: 0o644, ifExists: 'replace' })
      }
      if (unit !== undefined && (await tools.services.isActive(unit))) await tools.services.restart(unit)
    },
    revert: async () => {
      for (const { path } of changed) await revertAdoption(torrc, path, tools)
      return []
    },
  }
}

/** Restores the lines. Only files of tor's configuration are touched, and in them only lines that were made comments. */
export async function revertAdoption(
  torrc: string,
  file: string,
  { services, places }: Pick<RevertTools, 'services' | 'places'>,
): Promise<readonly string[]> {
  const known = places.torrcs ?? (await usualTorrcs())
  if (!isTorConfiguration(torrc, file, known) || !existsSync(file)) return []
  await removeAbandoned(dirname(file))
  const present = await readFile(file, 'utf8')
  const text = uncommented(present)
  if (text === present) return []
  await writeDurably(file, text, { mode: 0o644, ifExists: 'replace' })
  const instance = instanceOf(torrc)
  const unit = instance === undefined ? undefined : torPlace(instance).unit
  if (unit !== undefined && (await services.isActive(unit))) await services.restart(unit)
  return []
}
