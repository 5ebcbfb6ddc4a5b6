import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import type { Settings } from '../../config/settings.ts'
import type { Paths } from '../../config/paths.ts'
import { isOnion } from '../../protocol/host.ts'
import type { TorSetupOptions } from './setup-options.ts'
import {
  adoptedFeatures,
  type Adoption,
  directoryKey,
  manualService,
  planAdoption,
  readOnionKey,
  type SetupRequest,
  type TorMode,
  torPlace,
  usualTorrcs,
} from '../../tor/index.ts'

/**
 * The service of a torrc that the setup adopts: the one that `--adopt` names, or with `--torrc-managed` the one whose
 * address the INI file contains already. `undefined` also when the relay has its key, and no torrc has it any more.
 *
 * @param usual the torrc files of this machine, where they are not the usual ones
 * @throws AppError whatever `planAdoption` throws
 */
export async function wantedAdoption(
  { adopt }: TorSetupOptions,
  mode: TorMode,
  settings: { tor: Pick<Settings['tor'], 'instance'>; transport: Pick<Settings['transport'], 'hosts' | 'ports'> },
  paths: Pick<Paths, 'onionKey'>,
  usual?: readonly string[],
): Promise<Adoption | undefined> {
  const { hosts, ports } = settings.transport
  const torrcs = usual ?? (await usualTorrcs())
  if (adopt !== undefined) {
    if (mode !== 'torrc' && (await isAdopted(adopt, paths))) {
      return await planAdoption(adopt, torrcs, ports).catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'ADOPT_UNKNOWN') return undefined
        throw error
      })
    }
    return await planAdoption(adopt, torrcs, ports)
  }
  const onion = hosts.find(isOnion)
  if (mode !== 'torrc' || onion === undefined) return undefined
  const service = await manualService(onion, torrcs, torPlace(settings.tor.instance).torrc)
  return service && (await planAdoption(service.directory, torrcs, ports))
}

async function isAdopted(directory: string, { onionKey }: Pick<Paths, 'onionKey'>): Promise<boolean> {
  const kept = await readOnionKey(onionKey)
  if (!kept) return false
  const theirs = await directoryKey(directory).catch(() => undefined)
  return theirs?.serviceId === kept.serviceId
}

/**
 * What the adopted service did and the relay's own will do too.
 *
 * @throws AppError `ADOPT_LOSES`
 */
export async function keptFeatures(
  { service, files }: Adoption,
  ports: SetupRequest['ports'],
  { yesIKnow }: Pick<TorSetupOptions, 'yesIKnow'>,
): Promise<{ pow: true | undefined; maxStreams: number | undefined }> {
  const isDone = files.every(({ before, after }) => before === after)
  const { pow, maxStreams, lost } = adoptedFeatures(service, ports, await authorizedClients(service.directory))
  if (lost.length > 0 && !yesIKnow && !isDone) {
    throw new AppError(
      'ADOPT_LOSES',
      `Adopting the service in ${service.directory} would lose what the relay's own service does not have: ${lost.join('; ')}.`,
      'Add --torrc-managed to leave the service in its torrc. To adopt it anyway, pass --yes-i-know.',
    )
  }
  return { pow: pow || undefined, maxStreams }
}

async function authorizedClients(directory: string): Promise<string[]> {
  const files = await readdir(join(directory, 'authorized_clients')).catch(() => [])
  return files.filter((name) => name.endsWith('.auth')).map((name) => name.slice(0, -'.auth'.length))
}

/** Refuses options that would change a service which stays as it is. */
export function refuseChanges(options: TorSetupOptions): void {
  const { pow, maxStreams, introDefence, alsoWeb, onionOnly, threeHop, importKey } = options
  const wanted = [
    pow && '--pow',
    maxStreams !== undefined && '--max-streams',
    introDefence && '--intro-defence',
    alsoWeb && '--also-web',
    onionOnly && '--onion-only',
    threeHop && '--three-hop',
    importKey !== undefined && '--import-key',
  ].filter((name) => typeof name === 'string')
  if (wanted.length === 0) return
  const message = `${wanted.join(' and ')} cannot apply: the service stays in its torrc as it is.`
  throw new AppError('OPTIONS', message, 'Change that torrc instead, or leave out --torrc-managed.')
}
