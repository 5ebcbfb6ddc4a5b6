import { isIP } from 'node:net'

/** Where a tor listens for controllers. */
export type ControlEndpoint =
  | { readonly type: 'unix'; readonly path: string }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }

/** Longest path of a unix socket on Linux, in bytes (sun_path without its final zero). */
export const maxSocketPathBytes = 107

/**
 * Reads `/path`, `unix:/path`, `127.0.0.1:9051`, `[::1]:9051` or `9051` (a port of this machine).
 * `undefined` for anything else.
 */
export function parseEndpoint(text: string): ControlEndpoint | undefined {
  const path = text.startsWith('unix:') ? text.slice('unix:'.length) : text
  if (path.startsWith('/')) return Buffer.byteLength(path) <= maxSocketPathBytes ? { type: 'unix', path } : undefined
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):)?(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port < 1 || port > 65535) return undefined
  const host = match[1] ?? match[2] ?? '127.0.0.1'
  return isIP(host) === 0 ? undefined : { type: 'tcp', host, port }
}

export function endpointText(endpoint: ControlEndpoint): string {
  if (endpoint.type === 'unix') return endpoint.path
  return endpoint.host.includes(':') ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`
}
