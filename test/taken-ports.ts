import { createServer, type Server } from 'node:net'

/** The ports that relays, their control port and tor use by default. */
const PORTS = [443, 5223, 5224, 9050]

/**
 * With `TEST_PORTS_TAKEN=1`, something listens on every default port while the tests run, as on a machine that has a
 * relay already: a test that needs one of them fails. Ports that others hold, or that need root, are left alone.
 */
export default async function setup(): Promise<() => void> {
  if (process.env.TEST_PORTS_TAKEN !== '1') return () => undefined
  const servers = await Promise.all(PORTS.flatMap((port) => ['0.0.0.0', '::'].map((host) => taken(host, port))))
  return () => servers.forEach((server) => server?.close())
}

/** Accepts connections, and never says a word. */
function taken(host: string, port: number): Promise<Server | undefined> {
  const server = createServer((socket) => socket.on('error', () => undefined).unref())
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined))
    server.listen({ host, port, ipv6Only: host === '::' }, () => resolve(server.unref()))
  })
}
