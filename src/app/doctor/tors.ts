import { readdir } from 'node:fs/promises'
import type { Settings } from '../../config/settings.ts'
import { isOnion } from '../../protocol/host.ts'
import { runCommand } from '../../system/command.ts'
import { detectServiceManager, type ServiceManager } from '../../system/service-manager.ts'
import { installedTor, isOlder, MINIMUM_TOR } from '../../tor/index.ts'
import { checked, type Finding } from './finding.ts'

/** Where tor-instance-create keeps the torrcs of the instances. */
const INSTANCES = '/etc/tor/instances'

export interface TorQuestion {
  readonly settings: Settings
  /** The program; found in PATH by default. */
  readonly binary?: string
  readonly instances?: string
  readonly services?: ServiceManager
}

/** The tor of this machine, whether it is recent enough, and what systemd runs of it. */
export async function torFinding(question: TorQuestion): Promise<Finding> {
  return await checked('tor', () => torOf(question))
}

async function torOf(question: TorQuestion): Promise<Omit<Finding, 'check'>> {
  const { settings, binary = 'tor', instances = INSTANCES } = question
  const { services = detectServiceManager(runCommand) } = question
  const { tor, transport } = settings
  const isNeeded = tor.mode !== 'external' && (transport.hosts.some(isOnion) || tor.socksPort !== undefined)
  const version = await installedTor(runCommand, binary)
  if (version === undefined) {
    return isNeeded
      ? { level: 'fail', text: 'tor is not installed.', remedy: 'On Debian and Ubuntu: `apt-get install tor`' }
      : { level: 'ok', text: 'tor is not installed; nothing here needs it.' }
  }
  const running = await states(services, ['default', ...(await readdir(instances).catch(() => []))])
  if (isOlder(version, MINIMUM_TOR)) {
    const text = `tor ${version} is installed${running}; the relay needs ${MINIMUM_TOR} or later.`
    return {
      level: isNeeded ? 'fail' : 'warn',
      text,
      remedy: 'Install a later one: `apt-get install tor`, or `smp-server tor setup --official-repo`',
    }
  }
  return { level: 'ok', text: `tor ${version} is installed${running}.` }
}

/** ` (tor@default active, tor@smp failed)`; empty where systemd does not run. */
async function states(services: ServiceManager, instances: readonly string[]): Promise<string> {
  const units = instances.map((instance) => `tor@${instance}`)
  const found = await Promise.all(units.map(async (unit) => [unit, await services.state?.(unit)] as const))
  const known = found.flatMap(([unit, state]) => (state === undefined ? [] : [`${unit} ${state}`]))
  return known.length > 0 ? ` (${known.join(', ')})` : ''
}
