import type { Settings } from '../config/settings.ts'
import type { OnionPort } from '../tor/control/onion.ts'
import { onionPorts, type WebPorts } from '../tor/onion-ports.ts'
import type { OnionMode } from '../tor/onion-record.ts'
import type { OnionShape } from '../tor/onion-shape.ts'

/** The virtual ports of the onion service as the INI file has them. */
export function servicePorts(settings: Settings): OnionPort[] {
  return onionPorts(settings.transport.ports, settings.tor.web ? webPorts(settings) : {})
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
