import { rm } from 'node:fs/promises'
import type { OnionKey } from '../../../crypto/onion-key.ts'
import { directoryKey, directoryKeyFile, placeDirectoryKey } from '../../onion/service-directory.ts'
import { torPlace, type TorPlace } from '../../process/tor-place.ts'
import type { RevertTools, Step } from '../step.ts'

/** Puts the onion key into the HiddenServiceDir of a tor that keeps it. */
export async function serviceKeyStep(
  place: TorPlace,
  key: OnionKey,
  from: string | undefined,
  tools: RevertTools,
): Promise<Step> {
  const { serviceDirectory, dataDirectory, instance } = place
  const path = directoryKeyFile(serviceDirectory)
  const isThere = (await directoryKey(serviceDirectory)) !== undefined
  const origin = from === undefined ? 'Create the onion key' : `Import the onion key from ${from}`
  return {
    describe: `${origin}, for ${place.unit} to keep`,
    changes: { files: [{ path, before: undefined, after: '(a secret key)', secret: true }] },
    isDone: isThere,
    entries: [{ type: 'service-key', name: instance }],
    apply: () => placeDirectoryKey(serviceDirectory, key, dataDirectory),
    revert: () => revertServiceKey(instance, tools),
  }
}

export async function revertServiceKey(
  instance: string,
  { places }: Pick<RevertTools, 'places'>,
): Promise<readonly string[]> {
  const { serviceDirectory } = (places.torPlace ?? torPlace)(instance)
  await rm(serviceDirectory, { recursive: true, force: true })
  return []
}
