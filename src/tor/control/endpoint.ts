import { hostPortText, isLoopback, parseHostPort } from '../../protocol/host-port.ts'

/** Where a tor listens for controllers. */
export type ControlEndpoint =
  | { readonly type: 'unix'; readonly path: string }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }

/** Longest path of a unix socket on Linux, in bytes (sun_path without its final zero). */
export const maxSocketPathBytes = 107

/**
 * Reads `/path`, `unix:/path`, `tor.internal:9051`, `127.0.0.1:9051`, `[::1]:9051` or `9051` (a port of this machine).
 * `undefined` for anything else.
 */
export function parseEndpoint(text: string): ControlEndpoint | undefined {
  const path = text.startsWith('unix:') ? text.slice('unix:'.length) : text
  if (path.startsWith('/')) return Buffer.byteLength(path) <= maxSocketPathBytes ? { type: 'unix', path } : undefined
  const { host, port } = parseHostPort(/^\d+$/.test(text) ? `127.0.0.1:${text}` : text) ?? {}
  return host === undefined || port === undefined ? undefined : { type: 'tcp', host, port }
}

export function endpointText(endpoint: ControlEndpoint): string {
  if (endpoint.type === 'unix') return endpoint.path
  return hostPortText(endpoint.host, endpoint.port)
}

/** The endpoint is certainly on this machine. */
export function isLocal(endpoint: ControlEndpoint): boolean {
  return endpoint.type === 'unix' || isLoopback(endpoint.host)
}
