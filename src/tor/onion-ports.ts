import { readFile } from 'node:fs/promises'
import type { OnionPort } from './control/onion.ts'
import { writeDurably } from './durable-file.ts'

const defaultPort = 5223

/**
 * Virtual ports of the service: 5223, which clients use when an address names no port, and every port of the relay,
 * because a port in an address counts for all hosts in it.
 */
export function onionPorts(relayPorts: readonly number[], host = '127.0.0.1'): OnionPort[] {
  const [first = defaultPort] = relayPorts
  const main = relayPorts.includes(defaultPort) ? defaultPort : first
  const real = new Map([[defaultPort, main], ...relayPorts.map((port) => [port, port] as const)])
  return [...real].map(([virtualPort, port]) => ({ virtualPort, target: `${host}:${port}` }))
}

/**
 * Whether a service that a tor has already was added with these ports. tor itself cannot tell, and a system's tor
 * outlives the relay.
 */
export async function hasSamePorts(portsFile: string, ports: readonly OnionPort[]): Promise<boolean> {
  return (await readFile(portsFile, 'utf8').catch(() => '')) === portsText(ports)
}

/** Writes down with which ports the service was added. */
export async function rememberPorts(portsFile: string, ports: readonly OnionPort[]): Promise<void> {
  if (await hasSamePorts(portsFile, ports)) return
  await writeDurably(portsFile, portsText(ports), { mode: 0o600, ifExists: 'replace' })
}

function portsText(ports: readonly OnionPort[]): string {
  return ports.map(({ virtualPort, target }) => `${virtualPort} ${target}\n`).join('')
}
