import type { Settings } from '../config/settings.ts'
import { type OnionMode, type OnionPort, onionPorts, type OnionShape, type WebPorts } from '../tor/index.ts'

/** The virtual ports of the onion service as the INI file has them. */
export function servicePorts(settings: Settings): OnionPort[] {
  return portsWith(settings, settings.tor.web)
}

/** The same with or without those of the pages. */
export function portsWith(settings: Settings, web: boolean): OnionPort[] {
  const { ports, listenHost } = settings.transport
  return onionPorts(ports, web ? webPorts(settings) : {}, targetHost(listenHost))
}

/** Where a relay that listens on this address, or on all, is reached from its own machine. */
function targetHost(listenHost: string | undefined): string {
  if (listenHost === undefined || listenHost === '0.0.0.0' || /^[0:]+$/.test(listenHost)) return '127.0.0.1'
  return listenHost.includes(':') ? `[${listenHost}]` : listenHost
}

/** The ports of the pages. */
export function webPorts({ web }: Settings): WebPorts {
  return { http: web.httpPort, https: web.https?.port }
}

export function serviceShape({ tor }: Settings): OnionShape {
  return { mode: serviceMode(tor), pow: tor.pow, maxStreams: tor.maxStreams }
}

export function serviceMode({ singleHop }: Settings['tor']): OnionMode {
  return singleHop ? 'single-hop' : 'anonymous'
}
