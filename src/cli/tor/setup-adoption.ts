import { join } from 'node:path'
import { AppError } from '../../errors/app-error.ts'
import type { Settings } from '../../config/settings.ts'
import type { Paths } from '../../config/paths.ts'
import { isOnion } from '../../protocol/host.ts'
import type { TorSetupOptions } from './setup-options.ts'
import {
  type Adoption,
  managedPlace,
  planAdoption,
  readForeignKey,
  readOnionKey,
  serviceByHand,
  usualTorrcs,
} from '../../tor/index.ts'

/**
 * The service of a torrc that the setup is about: the one that `--adopt` names, or with `--torrc-managed` one whose name
 * the INI file has already. `undefined` also when the relay has its key, and no torrc has it any more.
 *
 * @param usual the torrc files of this machine, where they are not the usual ones
 * @throws AppError as of `planAdoption`
 */
export async function wantedAdoption(
  { adopt }: TorSetupOptions,
  form: 'own' | 'system' | 'torrc',
  { tor, transport }: { tor: Pick<Settings['tor'], 'instance'>; transport: Pick<Settings['transport'], 'hosts'> },
  paths: Pick<Paths, 'onionKey'>,
  usual?: readonly string[],
): Promise<Adoption | undefined> {
  const torrcs = usual ?? (await usualTorrcs())
  if (adopt !== undefined) {
    if (form !== 'torrc' && (await isTakenOver(adopt, paths))) {
      return await planAdoption(adopt, torrcs).catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'ADOPT_UNKNOWN') return undefined
        throw error
      })
    }
    return await planAdoption(adopt, torrcs)
  }
  const onion = transport.hosts.find(isOnion)
  if (form !== 'torrc' || onion === undefined) return undefined
  const service = await serviceByHand(onion, torrcs, managedPlace(tor.instance).torrc)
  return service && (await planAdoption(service.directory, torrcs))
}

async function isTakenOver(directory: string, { onionKey }: Pick<Paths, 'onionKey'>): Promise<boolean> {
  const kept = await readOnionKey(onionKey)
  if (!kept) return false
  const theirs = await readForeignKey(join(directory, 'hs_ed25519_secret_key')).catch(() => undefined)
  return theirs?.serviceId === kept.serviceId
}

/** Refuses options that a service which stays as it is could not follow. */
export function refuseChanges(options: TorSetupOptions): void {
  const { pow, maxStreams, introDefence, alsoWeb, onionOnly, importKey } = options
  const wanted = [
    pow && '--pow',
    maxStreams !== undefined && '--max-streams',
    introDefence && '--intro-defence',
    alsoWeb && '--also-web',
    onionOnly && '--onion-only',
    importKey !== undefined && '--import-key',
  ].filter((name) => typeof name === 'string')
  if (wanted.length === 0) return
  const message = `A service that is left in its torrc stays as it is, so ${wanted.join(' and ')} cannot be followed.`
  throw new AppError('OPTIONS', message, 'Leave that out and write it into that torrc, or leave --torrc-managed out.')
}
