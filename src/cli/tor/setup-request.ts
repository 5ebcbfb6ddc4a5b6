import { AppError } from '../../errors/app-error.ts'
import type { Paths } from '../../config/paths.ts'
import type { Settings } from '../../config/settings.ts'
import { isOnion } from '../../protocol/host.ts'
import { circuitPort, onionSetup, portsWith, webPorts, withCircuitPort } from '../../app/onion-settings.ts'
import { externalTor, refuseModesBeside } from './setup-external.ts'
import { keptFeatures, refuseChanges, wantedAdoption } from './setup-adoption.ts'
import type { TorSetupOptions } from './setup-options.ts'
import {
  type IniOptions,
  instanceOf,
  readForeignKey,
  serviceWithKey,
  type SetupRequest,
  type ServiceType,
  type TorMode,
  usualTorrcs,
  whoListens,
} from '../../tor/index.ts'

/** What listens on tor's usual SOCKS port. */
type SocksListener = 'tor' | 'other' | 'none'

/** For a SOCKS port of the relay's own; the first free one is written into the INI file. */
const SOCKS_PORTS = [9060, 9061, 9062, 9063, 9064] as const

/**
 * What the options ask for, together with what the INI file says already.
 *
 * @throws AppError for options that contradict each other or the INI file, and whatever `planAdoption` and
 *   `readForeignKey` throw
 */
export async function setupRequest(
  options: TorSetupOptions,
  settings: Settings,
  paths: Paths,
  socks: SocksListener,
): Promise<SetupRequest> {
  const { tor, transport } = settings
  const setup = onionSetup(settings, paths)
  const mode = wantedMode(options, setup.mode)
  refuseModesBeside(options, mode === 'external')
  if (options.adopt !== undefined && options.importKey !== undefined) {
    throw new AppError('OPTIONS', '--adopt imports the key of the service already.', 'Leave out --import-key.')
  }
  const adoption = await wantedAdoption(options, mode, settings, paths)
  const staying = mode === 'torrc' ? adoption?.service : undefined
  if (staying) refuseChanges(options)
  const { onionOnly = false, threeHop = false } = options
  const type = onionOnly || threeHop ? 'anonymous' : (staying ?? { type: setup.serviceType }).type
  const clearnet = transport.hosts.filter((host) => !isOnion(host))
  const isAccepted = (threeHop && !onionOnly) || options.yesIKnow === true || wasAgreed(setup.serviceType, settings)
  if (type === 'anonymous' && !isAccepted) refuseClearnet(clearnet, paths)
  const isHidden = type === 'anonymous' && (onionOnly || clearnet.length === 0)
  const web = options.alsoWeb ?? tor.web
  refuseCircuitPort(settings, mode, web, paths)
  if (options.alsoWeb) requireSite(settings, paths)
  if (options.introDefence && mode !== 'torrc') {
    const message = 'tor has rate limits at the introduction points only for services in its torrc.'
    throw new AppError('INTRO_DEFENCE', message, 'Add --torrc-managed, or use --pow instead.')
  }
  const external = mode === 'external' ? await externalTor(options, settings) : undefined
  const ports = portsWith(settings, web, external?.target)
  const circuits = circuitPort(settings, mode)
  const adopted = adoption && !staying ? await keptFeatures(adoption, ports, options) : undefined
  const socksOf = staying ? socksOfStaying : socksOptions
  return {
    mode,
    instance: staying ? (instanceOf(staying.torrc) ?? 'default') : (options.instance ?? setup.instance),
    service: {
      type,
      pow: options.pow ?? adopted?.pow ?? tor.pow,
      powRate: tor.powRate,
      powBurst: tor.powBurst,
      maxStreams: options.maxStreams ?? adopted?.maxStreams ?? tor.maxStreams,
      withCircuits: circuits !== undefined,
    },
    ports: withCircuitPort(ports, circuits),
    external,
    ini: {
      isHidden,
      web,
      introDefence: options.introDefence ?? tor.introDefence,
      ...(await socksOf(options, settings, isHidden, socks)),
    },
    torrcExtra: options.torrcExtra ?? tor.torrcExtra,
    adoption,
    importKey: options.importKey === undefined ? undefined : await importedKey(options.importKey, transport.ports),
  }
}

function wantedMode(options: TorSetupOptions, present: TorMode | undefined): TorMode {
  const { own, system, instance, torrcManaged, control } = options
  if (control !== undefined) return 'external'
  if (own && (torrcManaged || instance !== undefined)) {
    const message = 'With --own the relay runs tor itself, so there is no instance and no torrc of the system.'
    throw new AppError('OPTIONS', message, 'Leave out --own, or --instance and --torrc-managed.')
  }
  if (own) return 'own'
  // The machine's own tor has its services in its torrc: other programs use it too.
  if (torrcManaged || instance === 'default') return 'torrc'
  if (system || instance !== undefined) return 'system'
  return present ?? 'own'
}

/** An anonymous service beside a public host was set up before; nothing new is revealed. */
function wasAgreed(present: ServiceType, { transport }: Settings): boolean {
  return present === 'anonymous' && transport.hosts.some(isOnion)
}

function refuseClearnet(clearnet: readonly string[], { ini }: Paths): void {
  if (clearnet.length === 0) return
  throw new AppError(
    'ONION_ONLY_CLEARNET',
    `[TRANSPORT] host contains ${clearnet.join(', ')}; an address with both reveals where the anonymous service runs.`,
    `Remove it from ${ini}, or use --three-hop instead of --onion-only. To do this anyway, pass --yes-i-know.`,
  )
}

function refuseCircuitPort({ tor }: Settings, mode: TorMode, web: boolean, { ini }: Paths): void {
  if (tor.circuitPort === undefined || ((mode === 'own' || mode === 'torrc') && !web)) return
  const why = web
    ? 'cannot be combined with the web site at the onion address'
    : `needs mode own or torrc: with mode ${mode}, tor does not tell circuits apart`
  const remedy = `Comment it out in ${ini}, or ${web ? 'leave out --also-web' : 'use --own or --torrc-managed'}.`
  throw new AppError('OPTIONS', `circuit_port = ${tor.circuitPort} under [TOR] ${why}.`, remedy)
}

function requireSite(settings: Settings, { ini }: Paths): void {
  const { http, https } = webPorts(settings)
  if (http !== undefined || https !== undefined) return
  const message = 'There is no web site that the onion address could lead to.'
  throw new AppError('NO_PAGES', message, `Set http under [WEB] of ${ini}, for example to 8000.`)
}

/**
 * A key to import. One that a tor still serves must be adopted: two tors with one key take its address from each other.
 *
 * @throws AppError `KEY_IN_USE`, and whatever `readForeignKey` throws
 */
async function importedKey(
  path: string,
  relayPorts: readonly number[],
): Promise<NonNullable<SetupRequest['importKey']>> {
  const key = await readForeignKey(path)
  const service = await serviceWithKey(key, path, await usualTorrcs())
  if (service) throw keyInUse(path, service, relayPorts)
  return { key, path }
}

export function keyInUse(
  path: string,
  { torrc, directory }: { readonly torrc: string; readonly directory: string },
  relayPorts: readonly number[],
): AppError {
  const message = `${torrc} still has a service with the key ${path}, in ${directory}.`
  const remedy = `Adopt it: smp-server tor setup --adopt ${directory} (it must lead to port ${relayPorts.join(' or ')}), or remove it from that torrc and restart tor.`
  return new AppError('KEY_IN_USE', message, remedy)
}

async function socksOptions(
  { withSocks }: TorSetupOptions,
  { tor, proxy }: Settings,
  isHidden: boolean,
  socks: SocksListener,
): Promise<Pick<IniOptions, 'socksPort' | 'socksProxy'>> {
  if (tor.socksPort !== undefined) return { socksPort: tor.socksPort, socksProxy: `127.0.0.1:${tor.socksPort}` }
  if (proxy.socksProxy !== undefined || !(withSocks || isHidden)) return {}
  // An anonymous relay uses no tor but its own.
  if (socks === 'tor' && !isHidden) return { socksProxy: '127.0.0.1:9050' }
  const socksPort = await freeSocksPort()
  return { socksPort, socksProxy: `127.0.0.1:${socksPort}` }
}

/** The tor of a service that stays in its torrc keeps its SOCKS port. */
function socksOfStaying(
  { withSocks }: TorSetupOptions,
  { proxy }: Settings,
  isHidden: boolean,
  socks: SocksListener,
): Pick<IniOptions, 'socksPort' | 'socksProxy'> {
  if (proxy.socksProxy !== undefined || !(withSocks || isHidden)) return {}
  if (socks === 'tor') return { socksProxy: '127.0.0.1:9050' }
  const message = 'No tor of this machine has a SOCKS port on 127.0.0.1:9050, so the relay cannot reach other relays.'
  throw new AppError('NO_SOCKS', message, 'Set socks_proxy under [PROXY] to the SOCKS port of a tor.')
}

/** @throws AppError `SOCKS_PORTS` */
async function freeSocksPort(): Promise<number> {
  for (const port of SOCKS_PORTS) {
    if ((await whoListens('127.0.0.1', port)) === 'none') return port
  }
  const message = `All ports from ${SOCKS_PORTS[0]} to ${SOCKS_PORTS.at(-1) ?? ''} of 127.0.0.1 are in use.`
  throw new AppError('SOCKS_PORTS', message, 'Set socks_port under [TOR] to a free one.')
}
