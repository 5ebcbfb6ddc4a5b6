import { torPlace, type TorPlace } from '../../process/tor-place.ts'
import type { RevertTools, Step } from '../step.ts'

export interface UnitStepOptions {
  readonly place: TorPlace
  readonly wasActive: boolean
  /** Whether an earlier step changes its torrc. */
  readonly isChanged: boolean
  /** Waits until its tor can be used. */
  readonly ready: () => Promise<void>
}

/** Starts the unit, or restarts it for a changed torrc: a reload would end tor, which cannot switch to single-hop mode. */
export function unitStep({ place, wasActive, isChanged, ready }: UnitStepOptions, tools: RevertTools): Step {
  const { unit, instance: name } = place
  return {
    describe: `${wasActive ? 'Restart' : 'Start'} ${unit}`,
    changes: { commands: [`systemctl ${wasActive ? 'restart' : 'enable --now'} ${unit}`] },
    isDone: wasActive && !isChanged,
    entries: wasActive ? [] : [{ type: 'unit', name }],
    apply: async () => {
      if (wasActive) await tools.services.restart(unit)
      else await tools.services.enable(unit)
      await ready()
    },
    revert: async () => (wasActive ? [] : await revertUnit(name, tools)),
  }
}

export async function revertUnit(name: string, { places, services }: RevertTools): Promise<readonly string[]> {
  await services.disable?.((places.torPlace ?? torPlace)(name).unit)
  return []
}
