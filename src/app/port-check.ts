import { createServer } from 'node:net'
import { AppError } from '../errors/app-error.ts'
import { DEFAULT_PORT } from '../protocol/server-address.ts'
import { bind } from '../transport/bind.ts'

export interface PortCheck {
  /** Those that this process can open, in the given order. */
  readonly usable: readonly number[]
  /** Why the others are left out. */
  readonly faults: readonly AppError[]
}

/**
 * Tries every port before anything else happens. A port that cannot be had is left out, unless it is the one that
 * clients use by default, or the last one.
 *
 * @param host the one address to listen on; undefined: all
 * @throws AppError, see `bind`
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

/** The same for ports of which none has to be had. */
export async function checkOptionalPorts(ports: readonly number[], host?: string): Promise<PortCheck> {
  const tried = await Promise.all(ports.map(async (port) => ({ port, fault: await tryPort(port, host) })))
  return {
    usable: tried.flatMap(({ port, fault }) => (fault ? [] : [port])),
    faults: tried.flatMap(({ fault }) => fault ?? []),
  }
}

async function tryPort(port: number, host: string | undefined): Promise<AppError | undefined> {
  const server = createServer()
  try {
    await bind(server, port, host)
    await new Promise((resolve) => server.close(resolve))
    return undefined
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}
