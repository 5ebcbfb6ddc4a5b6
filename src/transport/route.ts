import { isIP } from 'node:net'
import { isOnion } from '../protocol/host.ts'

/** A SOCKS5 proxy: a TCP address or the path of a unix socket. */
export type SocksServer = ({ readonly host: string; readonly port: number } | { readonly path: string }) & {
  /** With Tor, each user name and password gets its own circuits. */
  readonly username?: string
  readonly password?: string
}

export interface Routing {
  readonly socks?: SocksServer
  /** Which hosts the proxy is used for; `onion` when absent. */
  readonly socksMode?: 'onion' | 'always'
  /** Which kind of host is preferred; `public` when absent. */
  readonly hostMode?: 'public' | 'onion'
  /** Never use a host of the other kind. */
  readonly requiredHostMode?: boolean
}

/** How a relay is reached. The host goes to DNS only with `via: 'direct'`, and a .onion name never does. */
export type Route =
  | { readonly via: 'direct'; readonly host: string }
  | { readonly via: 'socks'; readonly host: string; readonly socks: SocksServer }
  | { readonly via: 'none'; readonly why: 'onionWithoutSocks' | 'noSuitableHost' }

/** Whether connecting to this host directly asks DNS. */
export function needsDns(host: string): boolean {
  return isIP(host) === 0
}

/** Decides which host of an address to connect to, and how (server behaviour §8.6). */
export function chooseRoute(hosts: readonly string[], routing: Routing): Route {
  const { socks } = routing
  const host = chooseHost(hosts, routing)
  if (host === undefined) return { via: 'none', why: 'noSuitableHost' }
  if (isOnion(host)) return socks ? { via: 'socks', host, socks } : { via: 'none', why: 'onionWithoutSocks' }
  return socks && routing.socksMode === 'always' ? { via: 'socks', host, socks } : { via: 'direct', host }
}

function chooseHost(hosts: readonly string[], { socks, hostMode, requiredHostMode }: Routing): string | undefined {
  const wantsOnion = hostMode === 'onion' && socks !== undefined
  const preferred = hosts.find((host) => isOnion(host) === wantsOnion)
  return preferred ?? (requiredHostMode === true ? undefined : hosts[0])
}
