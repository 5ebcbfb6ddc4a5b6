import { AppError } from '../../errors/app-error.ts'
import type { Paths } from '../../config/paths.ts'
import type { Settings } from '../../config/settings.ts'
import { isOnion } from '../../protocol/host.ts'
import { portsWith, serviceShape, webPorts } from '../../app/onion-settings.ts'
import { refuseChanges, wantedAdoption } from './setup-adoption.ts'
import type { TorSetupOptions } from './setup-options.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import {
  type Adoption,
  type IniWishes,
  instanceOf,
  type OnionPort,
  type OnionShape,
  readForeignKey,
  whoListens,
} from '../../tor/index.ts'

/** What the options ask for, together with what the INI file says already. */
export interface SetupWishes {
  readonly form: 'own' | 'system' | 'torrc'
  readonly instance: string
  readonly shape: OnionShape
  readonly ports: readonly OnionPort[]
  readonly ini: Pick<IniWishes, 'web' | 'introDefence' | 'socksPort' | 'socksProxy'>
  readonly torrcExtra: string | undefined
  readonly adoption: Adoption | undefined
  readonly importKey: OnionKey | undefined
}

/** For a SOCKS port of the relay's own; the first that is free stays in the INI file. */
const socksPorts = [9060, 9061, 9062, 9063, 9064] as const

/**
 * @param socks who listens on tor's usual SOCKS port
 * @throws AppError for options that do not fit together or to the INI file, and as of `planAdoption`, `readForeignKey`
 */
export async function setupWishes(
  options: TorSetupOptions,
  settings: Settings,
  paths: Paths,
  socks: 'tor' | 'other' | 'none',
): Promise<SetupWishes> {
  const { tor } = settings
  const form = wantedForm(options, settings)
  if (options.adopt !== undefined && options.importKey !== undefined) {
    throw new AppError('OPTIONS', '--adopt takes a key over already.', 'Leave --import-key out.')
  }
  const adoption = await wantedAdoption(options, form, settings, paths)
  const staying = form === 'torrc' ? adoption?.service : undefined
  if (staying) refuseChanges(options)
  const mode = options.onionOnly ? 'anonymous' : (staying ?? serviceShape(settings)).mode
  const shape = { mode, pow: options.pow ?? tor.pow, maxStreams: options.maxStreams ?? tor.maxStreams } as const
  if (mode === 'anonymous' && !options.yesIKnow && !wasAgreed(settings)) refuseClearnet(settings, paths)
  const web = options.alsoWeb ?? tor.web
  if (options.alsoWeb) requirePages(settings, paths)
  if (options.introDefence && form !== 'torrc') {
    const message = 'tor limits requests at the introduction points for services of a torrc only.'
    throw new AppError('INTRO_DEFENCE', message, 'Add --torrc-managed, or take --pow instead.')
  }
  const socksOf = staying ? staysWithSocks : socksWishes
  return {
    form,
    instance: staying ? (instanceOf(staying.torrc) ?? 'default') : (options.instance ?? tor.instance),
    shape,
    ports: portsWith(settings, web),
    ini: {
      web,
      introDefence: options.introDefence ?? tor.introDefence,
      ...(await socksOf(options, settings, mode === 'anonymous', socks)),
    },
    torrcExtra: options.torrcExtra ?? tor.torrcExtra,
    adoption,
    importKey: options.importKey === undefined ? undefined : await readForeignKey(options.importKey),
  }
}

function wantedForm({ own, system, instance, torrcManaged }: TorSetupOptions, { tor }: Settings): SetupWishes['form'] {
  if (own && (torrcManaged || instance !== undefined)) {
    const message = 'With --own the tor belongs to the server, which is not an instance and has no torrc of its own.'
    throw new AppError('OPTIONS', message, 'Leave --own out, or --instance and --torrc-managed.')
  }
  if (own) return 'own'
  // The machine's own tor keeps its services in its torrc: others use it too.
  if (torrcManaged || instance === 'default') return 'torrc'
  if (system || instance !== undefined) return 'system'
  return tor.mode ?? 'own'
}

/** An anonymous service beside a clearnet host was set up before; nothing new is published. */
function wasAgreed({ tor, transport }: Settings): boolean {
  return !tor.singleHop && transport.hosts.some(isOnion)
}

function refuseClearnet({ transport }: Settings, { ini }: Paths): void {
  const clearnet = transport.hosts.filter((host) => !isOnion(host))
  if (clearnet.length === 0) return
  throw new AppError(
    'ONION_ONLY_CLEARNET',
    `[TRANSPORT] host names ${clearnet.join(', ')}, and an address with both shows where the anonymous service is.`,
    `Take it out of ${ini}, or leave --onion-only out; who wants just this adds --yes-i-know.`,
  )
}

function requirePages(settings: Settings, { ini }: Paths): void {
  const { http, https } = webPorts(settings)
  if (http !== undefined || https !== undefined) return
  const message = 'There are no pages that the onion name could lead to.'
  throw new AppError('NO_PAGES', message, `Set [WEB] http in ${ini}, for example to 8000.`)
}

async function socksWishes(
  { withSocks }: TorSetupOptions,
  { tor, proxy }: Settings,
  isAnonymous: boolean,
  socks: 'tor' | 'other' | 'none',
): Promise<Pick<IniWishes, 'socksPort' | 'socksProxy'>> {
  if (tor.socksPort !== undefined) return { socksPort: tor.socksPort, socksProxy: `127.0.0.1:${tor.socksPort}` }
  if (proxy.socksProxy !== undefined || !(withSocks || isAnonymous)) return {}
  // Between an anonymous relay and its tor there is nobody else.
  if (socks === 'tor' && !isAnonymous) return { socksProxy: '127.0.0.1:9050' }
  const socksPort = await freeSocksPort()
  return { socksPort, socksProxy: `127.0.0.1:${socksPort}` }
}

/** The tor of a service that stays as it is has the SOCKS port that it has. */
function staysWithSocks(
  { withSocks }: TorSetupOptions,
  { proxy }: Settings,
  isAnonymous: boolean,
  socks: 'tor' | 'other' | 'none',
): Pick<IniWishes, 'socksPort' | 'socksProxy'> {
  if (proxy.socksProxy !== undefined || !(withSocks || isAnonymous)) return {}
  if (socks === 'tor') return { socksProxy: '127.0.0.1:9050' }
  const message = 'No tor of this machine has a SOCKS port on 127.0.0.1:9050, through which the server could go out.'
  throw new AppError('NO_SOCKS', message, 'Set socks_proxy under [PROXY] to the SOCKS port of a tor.')
}

/** @throws AppError `SOCKS_PORTS` */
async function freeSocksPort(): Promise<number> {
  for (const port of socksPorts) {
    if ((await whoListens('127.0.0.1', port)) === 'none') return port
  }
  const message = `All ports from ${socksPorts[0]} to ${socksPorts.at(-1) ?? ''} of 127.0.0.1 are in use.`
  throw new AppError('SOCKS_PORTS', message, 'Set [TOR] socks_port to a free one.')
}
