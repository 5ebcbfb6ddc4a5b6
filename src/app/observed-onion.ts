import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { isOnion } from '../protocol/host.ts'
import { runCommand } from '../system/command.ts'
import { detectServiceManager } from '../system/service-manager.ts'
import { type Observed, observeOnion, torPlace } from '../tor/index.ts'
import { onionSetup, torConfig } from './onion-settings.ts'

/** Everything that is known about the onion service of this relay. */
export async function observedOnion(settings: Settings, paths: Paths): Promise<Observed> {
  const setup = onionSetup(settings, paths)
  return await observeOnion({
    config: setup.mode === 'torrc' ? 'torrc' : torConfig(settings, paths, setup),
    keyFile: paths.onionKey,
    statusFile: paths.torStatus,
    configured: settings.transport.hosts.filter(isOnion),
    unit: setup.mode === 'torrc' || setup.mode === 'system' ? torPlace(setup.instance).unit : undefined,
    socksPort: settings.tor.socksPort,
    services: detectServiceManager(runCommand),
  })
}
