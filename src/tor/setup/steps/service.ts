import { rm } from 'node:fs/promises'
import { TorControl } from '../../control/tor-control.ts'
import { PublicationWatch } from '../../onion/await-publication.ts'
import { establishService, type RelayService } from '../../onion/establish.ts'
import { readKeyFiles } from '../../onion/key-files.ts'
import { removeService, requireTorType } from '../../onion/service.ts'
import type { OnionServiceConfig } from '../../onion/service-config.ts'
import { torPlace, type TorPlace } from '../../process/tor-place.ts'
import type { RevertTools, Step } from '../step.ts'

/** A tor of the system with the service that a setup has added to it. */
export interface ServedBySystem {
  readonly control: TorControl
  readonly watch: PublicationWatch
  readonly wasThere: boolean
}

export interface ServiceStepOptions {
  readonly place: TorPlace
  /** The tor has the service already, and none of the steps before restarts it. */
  readonly isDone: boolean
  readonly service: RelayService & { readonly config: OnionServiceConfig }
  /** Takes the open connection, to wait for the publication later. */
  readonly onAdded: (served: ServedBySystem) => void
}

/** Adds the service to a tor of the system, so that it is published even before the relay has the rights to do so. */
export function serviceStep({ place, isDone, service, onAdded }: ServiceStepOptions, tools: RevertTools): Step {
  const { instance: name, control: endpoint } = place
  return {
    describe: `Add the onion service to ${place.unit}`,
    changes: {},
    isDone,
    entries: [{ type: 'service', name }],
    apply: async () => {
      const control = await TorControl.connect({ endpoint })
      try {
        await requireTorType(control, service.config.type)
        const watch = await PublicationWatch.open(control)
        const { wasThere } = await establishService(control, service)
        onAdded({ control, watch, wasThere })
      } catch (error) {
        control.close()
        throw error
      }
    },
    revert: () => revertService(name, tools),
  }
}

export async function revertService(name: string, { places }: Pick<RevertTools, 'places'>): Promise<readonly string[]> {
  const { primary, next } = await readKeyFiles(places.keyFile)
  // A tor that does not answer loses its service when it ends.
  const control = await TorControl.connect({ endpoint: (places.torPlace ?? torPlace)(name).control }).catch(
    () => undefined,
  )
  try {
    for (const key of [primary, next]) if (control && key) await removeService(control, key)
  } finally {
    control?.close()
  }
  await rm(places.portsFile, { force: true })
  return []
}
