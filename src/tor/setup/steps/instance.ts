import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import {
  createInstance,
  deleteInstance,
  instanceExists,
  isPristine,
  missingParents,
} from '../../process/system-instance.ts'
import { torPlace, type TorPlace } from '../../process/tor-place.ts'
import type { RevertTools, Step } from '../step.ts'

/** Creates a tor instance of the system, with its user. */
export async function instanceStep(place: TorPlace, tools: RevertTools): Promise<Step> {
  const { instance: name } = place
  const isThere = await instanceExists(place, tools.run)
  const parents = missingParents()
  return {
    describe: `Create the tor instance ${name}`,
    changes: { commands: [`tor-instance-create ${name}`] },
    isDone: isThere,
    entries: [{ type: 'instance', name, parents }],
    apply: () => createInstance(place, tools.run),
    revert: () => revertInstance(name, parents, tools),
  }
}

export async function revertInstance(
  name: string,
  parents: readonly string[],
  { places, run }: RevertTools,
): Promise<readonly string[]> {
  const place = (places.torPlace ?? torPlace)(name)
  const present = existsSync(place.torrc) ? await readFile(place.torrc, 'utf8') : ''
  if (!isPristine(present)) return [`The tor instance ${name} stays, because ${place.torrc} was changed.`]
  await deleteInstance(place, parents, run)
  return []
}
