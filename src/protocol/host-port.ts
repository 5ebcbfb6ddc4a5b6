import { isIPv4 } from 'node:net'
import { canonicalHost, isOnion } from './host.ts'

/** A host that the operator names, with or without a port. */
export interface HostPort {
  /** An IPv6 address without brackets. */
  readonly host: string
  readonly port?: number
}

/**
 * Reads `relay.internal`, `10.0.0.2`, `[fd00::2]`, each with or without `:PORT`. Onion addresses do not count, nor anything
 * that DNS cannot carry: `undefined`.
 */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(\d{1,5}))?$/.exec(text)
  const host = canonicalHost(match?.[1] ?? '')
  if (host === undefined || isOnion(host) || isBrokenIpv4(host)) return undefined
  if (match?.[2] === undefined) return { host }
  const port = Number(match[2])
  return port >= 1 && port <= 65_535 ? { host, port } : undefined
}

/** What resolvers would take for an address (`1.2.3`) is no name. */
function isBrokenIpv4(host: string): boolean {
  return /(?:^|\.)\d+\.?$/.test(host) && !isIPv4(host)
}

/** `host:port`, with an IPv6 address in brackets. */
export function hostPortText(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Whether the host is certainly this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}
