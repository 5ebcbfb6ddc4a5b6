import { readFile } from 'node:fs/promises'
import type { OnionPort } from '../control/onion.ts'
import { writeDurably } from '../../system/durable-file.ts'
import { configLines, type OnionServiceConfig, singleHopService } from './service-config.ts'

const defaultPort = 5223

/** Ports of the web site, where it is served at the onion address too. */
export interface WebPorts {
  readonly http?: number | undefined
  readonly https?: number | undefined
}

/**
 * Virtual ports of the service: 5223, which clients use when an address names no port, and every port of the relay,
 * because a port in an address counts for all hosts in it.
 */
export function onionPorts(relayPorts: readonly number[], web: WebPorts = {}, host = '127.0.0.1'): OnionPort[] {
  const [first = defaultPort] = relayPorts
  const main = relayPorts.includes(defaultPort) ? defaultPort : first
  const real = new Map([[defaultPort, main], ...relayPorts.map((port) => [port, port] as const)])
  for (const [virtualPort, port] of [
    [80, web.http],
    [443, web.https],
  ] as const) {
    if (port !== undefined && !real.has(virtualPort)) real.set(virtualPort, port)
  }
  return [...real].map(([virtualPort, port]) => ({ virtualPort, target: `${host}:${port}` }))
}

/**
 * Whether a service that a tor has already was added with these ports and this config. tor itself cannot tell, and a tor
 * of the system outlives the relay.
 */
export async function hasSamePorts(
  portsFile: string,
  ports: readonly OnionPort[],
  config: OnionServiceConfig = singleHopService,
): Promise<boolean> {
  return (await readFile(portsFile, 'utf8').catch(() => '')) === portsText(ports, config)
}

/** Records with which ports and config the service was added. */
export async function rememberPorts(
  portsFile: string,
  ports: readonly OnionPort[],
  config: OnionServiceConfig = singleHopService,
): Promise<void> {
  if (await hasSamePorts(portsFile, ports, config)) return
  await writeDurably(portsFile, portsText(ports, config), { mode: 0o600, ifExists: 'replace' })
}

function portsText(ports: readonly OnionPort[], config: OnionServiceConfig): string {
  const lines = ports.map(({ virtualPort, target }) => `${virtualPort} ${target}`)
  return [...lines, ...configLines(config)].map((line) => `${line}\n`).join('')
}
