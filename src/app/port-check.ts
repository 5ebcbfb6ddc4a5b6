import { createServer } from 'node:net'
import type { Logger } from '../config/log.ts'
import type { Settings } from '../config/settings.ts'
import { AppError } from '../errors/app-error.ts'
import { DEFAULT_PORT } from '../protocol/server-address.ts'
import { bind } from '../transport/bind.ts'

export interface PortCheck {
  /** Ports that this process can open, in the given order. */
  readonly usable: readonly number[]
  /** Why the others are left out. */
  readonly faults: readonly AppError[]
}

/**
 * Tries every port before anything else happens. A port that cannot be opened is left out, unless it is the default port
 * of apps, or no other can be opened.
 *
 * @param host the one address to listen on; undefined: all
 * @throws whatever `bind` throws
 */
export async function checkPorts(ports: readonly number[], host?: string): Promise<PortCheck> {
  const usable: number[] = []
  const faults: AppError[] = []
  for (const port of ports) {
    const fault = await tryPort(port, host)
    if (fault === undefined) usable.push(port)
    else if (port === DEFAULT_PORT) throw fault
    else faults.push(fault)
  }
  const [first] = faults
  if (usable.length === 0 && first !== undefined) throw first
  return { usable, faults }
}

/** The same for ports that the relay can do without. */
export async function checkOptionalPorts(ports: readonly number[], host?: string): Promise<PortCheck> {
  const tried = await Promise.all(ports.map(async (port) => ({ port, fault: await tryPort(port, host) })))
  return {
    usable: tried.flatMap(({ port, fault }) => (fault ? [] : [port])),
    faults: tried.flatMap(({ fault }) => fault ?? []),
  }
}

async function tryPort(
  port: number,
  host: string | undefined,
  setting?: { readonly key: string; readonly section: string },
): Promise<AppError | undefined> {
  const server = createServer()
  try {
    await bind(server, port, host, setting?.key, setting?.section)
    await new Promise((resolve) => server.close(resolve))
    return undefined
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

/** The settings without any port, for work on the store alone. */
export function withoutPorts(settings: Settings): Settings {
  const { tor } = settings
  const none = withPorts(settings, { ports: [], webSocketPorts: [], controlPort: undefined })
  return { ...none, tor: { ...tor, circuitPort: undefined } }
}

/**
 * The settings with the ports that can be opened; the log says which are left out, and why.
 *
 * @throws whatever `checkPorts` throws
 */
export async function withOpenablePorts(settings: Settings, log: Logger): Promise<Settings> {
  const { ports, webSocketPorts, listenHost, controlPort } = settings.transport
  const smp = await checkPorts(ports, listenHost)
  const webSocket = await checkOptionalPorts(webSocketPorts, listenHost)
  const circuits = await tryCircuitPort(settings)
  const faults = [...smp.faults, ...webSocket.faults, ...(circuits ? [circuits] : [])]
  for (const { message, remedy = '' } of faults) log.warn(`${message} ${remedy}`)
  const opened = withPorts(settings, { ports: smp.usable, webSocketPorts: webSocket.usable, controlPort })
  return circuits ? { ...opened, tor: { ...settings.tor, circuitPort: undefined } } : opened
}

/**
 * Makes sure that every port can be opened that the relay was not to have before.
 *
 * @throws whatever `bind` throws
 */
export async function requireNewPorts(next: Settings, before: Settings): Promise<void> {
  const known = portsOf(before)
  for (const port of portsOf(next)) {
    const fault = known.includes(port) ? undefined : await tryPort(port, next.transport.listenHost)
    if (fault) throw fault
  }
  const circuits = next.tor.circuitPort === before.tor.circuitPort ? undefined : await tryCircuitPort(next)
  if (circuits) throw circuits
}

async function tryCircuitPort({ tor: { circuitPort } }: Settings): Promise<AppError | undefined> {
  if (circuitPort === undefined) return undefined
  return await tryPort(circuitPort, '127.0.0.1', { key: 'circuit_port', section: 'TOR' })
}

function portsOf({ transport, web }: Settings): number[] {
  const pages = [web.https?.port, web.httpPort].filter((port) => port !== undefined)
  return [...transport.ports, ...transport.webSocketPorts, ...pages]
}

/** The settings with those ports for clients that are open. */
export function withOpenPorts(settings: Settings, open: readonly number[]): Settings {
  const { ports, webSocketPorts, controlPort } = settings.transport
  const isOpen = (port: number): boolean => open.includes(port)
  return withPorts(settings, {
    ports: ports.filter(isOpen),
    webSocketPorts: webSocketPorts.filter(isOpen),
    controlPort,
  })
}

type Ports = Pick<Settings['transport'], 'ports' | 'webSocketPorts' | 'controlPort'>

/** A port of SMP that cannot be opened is no port for the site alone either. */
function withPorts(settings: Settings, opened: Ports): Settings {
  const { transport, web } = settings
  const lost = transport.ports.filter((port) => !opened.ports.includes(port))
  const https = web.https && lost.includes(web.https.port) ? undefined : web.https
  return { ...settings, transport: { ...transport, ...opened }, web: { ...web, https } }
}
