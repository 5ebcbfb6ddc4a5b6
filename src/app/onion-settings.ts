import { existsSync, readFileSync } from 'node:fs'
import { AppError } from '../errors/app-error.ts'
import type { Paths } from '../config/paths.ts'
import type { Settings } from '../config/settings.ts'
import { type HostPort, hostPortText, isLoopback } from '../protocol/host-port.ts'
import {
  type ControlEndpoint,
  type DashboardOnionConfig,
  type OnionPort,
  onionPorts,
  type OnionRecord,
  type OnionServiceConfig,
  parseEndpoint,
  parseOnionRecord,
  recordFile,
  serviceTypeFrom,
  type ServiceType,
  type TorConfig,
  type TorMode,
  torModeOf,
  torPlace,
  type WebPorts,
} from '../tor/index.ts'

/*
 * The onion service as the INI file, the record of the setup and the onion key have it together.
 */

export interface OnionSetup {
  /** `undefined`: no onion service was ever set up. */
  readonly mode: TorMode | undefined
  readonly instance: string
  readonly serviceType: ServiceType
  readonly record: OnionRecord | undefined
}

export function onionSetup({ tor }: Settings, paths: Paths): OnionSetup {
  const record = readRecord(recordFile(paths.onionKey))
  return {
    mode: torModeOf(tor.mode, record, existsSync(paths.onionKey)),
    // An INI file without [TOR] says nothing about the instance either.
    instance: tor.mode === undefined && record?.instance !== undefined ? record.instance : tor.instance,
    serviceType: serviceTypeFrom(tor.singleHop, record),
    record,
  }
}

function readRecord(path: string): OnionRecord | undefined {
  return existsSync(path) ? parseOnionRecord(readFileSync(path, 'utf8')) : undefined
}

/** The tor that carries the service; `undefined` without an onion service, and in mode torrc, which allows no access. */
export function torConfig({ tor }: Settings, paths: Paths, setup: OnionSetup): TorConfig | undefined {
  const { mode, serviceType } = setup
  if (mode === 'own') {
    const { torrcExtra, socksPort, keepTor: keep } = tor
    const withCircuits = tor.circuitPort !== undefined
    return { mode, directory: paths.tor, torrcExtra, serviceType, socksPort, withCircuits, keep }
  }
  if (mode === undefined || mode === 'torrc') return undefined
  const { controlPassword: password, controlPasswordFile: passwordFile, controlCookie: cookieFile } = tor
  return { mode, control: controlEndpoint(tor, setup), password, passwordFile, cookieFile, serviceType }
}

function controlEndpoint(tor: Settings['tor'], { mode, instance }: OnionSetup): ControlEndpoint {
  if (tor.control === undefined) {
    if (mode !== 'external') return torPlace(instance).control
    const remedy = 'Set it to the control port of that tor, or run `smp-server tor setup --control HOST:PORT`.'
    throw new AppError('TOR_CONTROL', 'control under [TOR] is missing, and mode is external.', remedy)
  }
  const endpoint = parseEndpoint(tor.control)
  if (endpoint) return endpoint
  throw new AppError(
    'TOR_CONTROL',
    `control = ${tor.control} under [TOR] must be the path of a socket, or HOST:PORT.`,
    'Correct it, or comment it out to have it found.',
  )
}

/** The virtual ports of the onion service as the INI file has them. */
export function servicePorts(settings: Settings, { mode }: Pick<OnionSetup, 'mode'>): OnionPort[] {
  return withCircuitPort(portsWith(settings, settings.tor.web, targetOf(settings)), circuitPort(settings, mode))
}

/** The port for a tor that tells the circuits of the service apart; `undefined` where it cannot. */
export function circuitPort({ tor }: Settings, mode: TorMode | undefined): number | undefined {
  return mode === 'own' || mode === 'torrc' ? tor.circuitPort : undefined
}

/** The ports of a service that leads to this port instead. */
export function withCircuitPort(ports: readonly OnionPort[], port: number | undefined): OnionPort[] {
  return ports.map((found) => (port === undefined ? found : { ...found, target: `127.0.0.1:${port}` }))
}

/**
 * The same with or without those of the web site.
 *
 * @param target where a tor elsewhere reaches this relay
 */
export function portsWith(settings: Settings, web: boolean, target?: HostPort): OnionPort[] {
  const { ports, listenHost } = settings.transport
  const host = target === undefined ? targetHost(listenHost) : hostPortText(target.host, 0).slice(0, -2)
  const found = onionPorts(ports, web ? webPorts(settings) : {}, host)
  if (target?.port === undefined) return found
  const smp = `${host}:${target.port}`
  return found.map((port) => (isSmp(port, ports) ? { ...port, target: smp } : port))
}

function targetOf({ tor: { mode, target } }: Settings): HostPort | undefined {
  return mode === 'external' ? target : undefined
}

function isSmp({ virtualPort }: OnionPort, ports: readonly number[]): boolean {
  return virtualPort === DEFAULT_PORT || ports.includes(virtualPort)
}

/** The port that clients use when the address has none. */
const DEFAULT_PORT = 5223

/** Where a relay that listens on this address, or on all, is reached from its own machine. */
function targetHost(listenHost: string | undefined): string {
  if (listenHost === undefined || listenHost === '0.0.0.0' || /^[0:]+$/.test(listenHost)) return '127.0.0.1'
  return listenHost.includes(':') ? `[${listenHost}]` : listenHost
}

/** The onion service of the dashboard; `undefined` without a dashboard, and where its tor cannot have or reach it. */
export function dashboardOnion(
  { web, store, tor }: Settings,
  { dashboardOnionKey: keyFile, dashboardClients: clientsFile }: Paths,
  { mode }: OnionSetup,
): DashboardOnionConfig | undefined {
  if (!web.dashboard || store.metricsPort === undefined || mode === undefined || mode === 'torrc') return undefined
  if (mode === 'external' && !isLoopback(tor.target?.host ?? '127.0.0.1')) return undefined
  return { keyFile, clientsFile, target: `127.0.0.1:${store.metricsPort}` }
}

/** What a tor elsewhere connects to for this port of the onion address; `undefined` in the other modes. */
export function externalTarget(settings: Settings, port: number): string | undefined {
  if (settings.tor.mode !== 'external') return undefined
  return servicePorts(settings, { mode: 'external' }).find(({ virtualPort }) => virtualPort === port)?.target
}

/** The ports of the web site. */
export function webPorts({ web }: Settings): WebPorts {
  return { http: web.httpPort, https: web.https?.port }
}

export function serviceConfig(settings: Settings, { serviceType: type, mode }: OnionSetup): OnionServiceConfig {
  const { pow, powRate, powBurst, maxStreams } = settings.tor
  return { type, pow, powRate, powBurst, maxStreams, withCircuits: circuitPort(settings, mode) !== undefined }
}
