import { createServer } from 'node:net'
import { AppError } from '../config/app-error.ts'
import { portHolder } from './port-holder.ts'

export interface PortCheck {
  /** Those that this process can open, in the given order; at least one. */
  readonly usable: readonly number[]
  /** Those below 1024 that it may not open. */
  readonly forbidden: readonly number[]
}

/**
 * Tries every port before anything else happens, so that the operator reads what is wrong instead of a system error.
 *
 * @throws AppError `PORT_IN_USE` naming the process when it can be seen, `PORT_FORBIDDEN` when no port is left
 */
export async function checkPorts(ports: readonly number[]): Promise<PortCheck> {
  const forbidden: number[] = []
  for (const port of ports) {
    const code = await tryPort(port)
    if (code === 'EADDRINUSE') throw await portInUse(port)
    if (code === 'EACCES' || code === 'EPERM') forbidden.push(port)
    else if (code !== undefined) throw new AppError('PORT', `Port ${port} cannot be opened (${code}).`)
  }
  const usable = ports.filter((port) => !forbidden.includes(port))
  if (usable.length === 0) {
    throw new AppError('PORT_FORBIDDEN', `This user may not open port ${forbidden.join(' or ')}.`, privilegeRemedy())
  }
  return { usable, forbidden }
}

/** How a process without root gets a port below 1024. */
export function privilegeRemedy(): string {
  return `Allow it with AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit or with setcap cap_net_bind_service=+ep ${process.execPath}, or write port = 5223 under [TRANSPORT].`
}

async function portInUse(port: number): Promise<AppError> {
  const holder = await portHolder(port)
  return new AppError(
    'PORT_IN_USE',
    `Port ${port} is in use${holder === undefined ? '' : ` by ${holder}`}.`,
    'Stop that process, or choose another port under [TRANSPORT].',
  )
}

/** Listens and stops again, on all addresses: IPv6 and IPv4 together, or IPv4 alone where there is no IPv6. */
async function tryPort(port: number): Promise<string | undefined> {
  const code = await listenOnce(port, '::')
  return code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL' ? listenOnce(port, '0.0.0.0') : code
}

function listenOnce(port: number, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ port, host }, () => server.close(() => resolve(undefined)))
  })
}
