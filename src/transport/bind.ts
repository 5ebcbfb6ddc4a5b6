import type { Server } from 'node:net'
import { AppError } from '../errors/app-error.ts'
import { errorCode } from '../system/error-code.ts'
import { portHolder } from './port-holder.ts'

const BACKLOG = 1024

/**
 * Listens on one address, or on every address: dual-stack, or IPv4 alone where the system has no IPv6.
 *
 * @param key the key that sets the port, for messages
 * @param section the section of that key
 * @throws AppError `PORT_IN_USE` (naming the process where /proc shows it), `PORT_FORBIDDEN` or `ADDRESS_NOT_LOCAL`
 */
export async function bind(
  server: Server,
  port: number,
  host: string | undefined,
  key = 'port',
  section = 'TRANSPORT',
): Promise<void> {
  try {
    await (host === undefined
      ? listenOn(server, port, '::').catch((error: unknown) => {
          if (!['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'].includes(errorCode(error) ?? '')) throw error
          return listenOn(server, port, '0.0.0.0')
        })
      : listenOn(server, port, host))
  } catch (error) {
    throw await bindFault(error, port, host, key, section)
  }
}

function listenOn(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host, backlog: BACKLOG, ipv6Only: false }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function bindFault(
  error: unknown,
  port: number,
  host: string | undefined,
  key: string,
  section: string,
): Promise<unknown> {
  const place = host === undefined ? `port ${port}` : `port ${port} of ${host}`
  switch (errorCode(error)) {
    case 'EADDRINUSE': {
      const holder = await portHolder(port)
      const by = holder ? `by ${holder.name} (process ${holder.pid})` : 'by another process'
      const stop = holder ? `Stop process ${holder.pid}` : `Find it with \`ss -ltnp 'sport = :${port}'\` and stop it`
      return new AppError(
        'PORT_IN_USE',
        `Cannot listen on ${place}: it is in use ${by}.`,
        `${stop}, or choose another \`${key}\` in section [${section}] of smp-server.ini.`,
        { cause: error },
      )
    }
    case 'EACCES':
      return new AppError(
        'PORT_FORBIDDEN',
        `Cannot listen on ${place}: this user may not use ports below 1024.`,
        `Give the service the capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE), or choose a \`${key}\` from 1024 up in section [${section}] of smp-server.ini.`,
        { cause: error },
      )
    case 'EADDRNOTAVAIL':
      return new AppError(
        'ADDRESS_NOT_LOCAL',
        `Cannot listen on ${place}: this machine does not have that address.`,
        'Choose an address of this machine.',
        { cause: error },
      )
    default:
      return error
  }
}
