import { connect, type LookupFunction, type Socket } from 'node:net'
import { SocksClient } from 'socks'
import { errorCode } from '../system/error-code.ts'
import { guardedLookup } from './dns-guard.ts'
import { failConnect, type ConnectReason } from './failure.ts'
import { isPrivateHost, PRIVATE, publicLookup } from './private-address.ts'
import type { Route, SocksServer } from './route.ts'

export interface ConnectorOptions {
  readonly signal: AbortSignal
  /** Resolves the names of hosts that are connected to directly; DNS when absent. */
  readonly lookup?: LookupFunction
  /** Connect to hosts of the public internet and onion services only. */
  readonly publicOnly?: boolean
}

/**
 * Opens a TCP connection to the host and port of a route, through its proxy if it has one.
 *
 * @throws ConnectError
 */
export async function connectVia(route: Route, port: number, options: ConnectorOptions): Promise<Socket> {
  if (options.publicOnly === true && route.via !== 'none' && isPrivateHost(route.host)) {
    return failConnect('address', 'noHost', NOT_PUBLIC)
  }
  switch (route.via) {
    case 'direct': {
      const lookup = options.publicOnly === true ? publicLookup(options.lookup) : options.lookup
      return openSocket({ host: route.host, port, lookup: guardedLookup(lookup) }, options).catch((error: unknown) =>
        failConnect('connect', ...directReason(error)),
      )
    }
    case 'socks':
      return connectThroughSocks(route.socks, route.host, port, options)
    case 'none':
      return failConnect(
        'address',
        'noHost',
        route.why === 'onionWithoutSocks'
          ? 'An onion address needs a SOCKS proxy, and none is set.'
          : 'The address has no host of the required kind.',
      )
  }
}

const NOT_PUBLIC = 'The host is not on the public internet.'

type SocketTarget = { host: string; port: number; lookup?: LookupFunction } | { path: string }

function openSocket(target: SocketTarget, { signal }: ConnectorOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...target, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 })
    const abort = (): void => {
      socket.destroy()
      reject(timeoutError())
    }
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort)
      socket.off('error', reject)
      // The next owner of the socket listens for errors; an earlier one ends in `close`.
      socket.on('error', () => undefined)
      resolve(socket)
    })
    socket.once('error', reject)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}

async function connectThroughSocks(
  server: SocksServer,
  host: string,
  port: number,
  options: ConnectorOptions,
): Promise<Socket> {
  const target =
    'path' in server ? { path: server.path } : { host: server.host, port: server.port, lookup: guardedLookup() }
  const socket = await openSocket(target, options).catch((error: unknown) =>
    options.signal.aborted
      ? failConnect('connect', 'timeout', 'The SOCKS proxy did not answer in time.')
      : failConnect('connect', 'proxyUnavailable', `Cannot connect to the SOCKS proxy (${codeOf(error)}).`),
  )
  let answer: Buffer = Buffer.alloc(0)
  const watch = (chunk: Buffer): void => {
    answer = chunk
  }
  socket.on('data', watch)
  const abort = (): void => {
    socket.destroy()
  }
  options.signal.addEventListener('abort', abort, { once: true })
  try {
    // The name goes to the proxy unchanged; only the proxy resolves it.
    await SocksClient.createConnection({
      command: 'connect',
      proxy: {
        host: 'socks',
        port: 1,
        type: 5,
        ...(server.username !== undefined && { userId: server.username, password: server.password ?? '' }),
      },
      destination: { host, port },
      existing_socket: socket,
      timeout: SOCKS_TIMEOUT_MS,
    })
    return socket
  } catch (error) {
    socket.destroy()
    if (options.signal.aborted) return failConnect('connect', 'timeout', 'The SOCKS proxy did not connect in time.')
    return failConnect('connect', ...socksReason(answer, error))
  } finally {
    socket.off('data', watch)
    options.signal.removeEventListener('abort', abort)
  }
}

/** The signal ends an attempt earlier than this. */
const SOCKS_TIMEOUT_MS = 600_000

/** Replies of SOCKS5 (RFC 1928 §6), and of tor with ExtendedErrors (its SOCKS extensions). */
const SOCKS_REASONS: ReadonlyMap<number, readonly [ConnectReason, string]> = new Map([
  [0x01, ['unreachable', 'The SOCKS proxy could not connect.']],
  [0x02, ['unreachable', 'The rules of the SOCKS proxy forbid this connection.']],
  [0x03, ['unreachable', 'The SOCKS proxy found no network.']],
  [
    0x04,
    [
      'unreachable',
      'The SOCKS proxy found no route to the host; with Tor this often means that there is no such onion service.',
    ],
  ],
  [0x05, ['refused', 'The host refused the connection to this port.']],
  [0x06, ['timeout', 'The SOCKS proxy timed out waiting for the host.']],
  [0xf0, ['descriptorNotFound', 'Tor found no descriptor of the onion service.']],
  [0xf1, ['unreachable', 'Tor found an invalid descriptor of the onion service.']],
  [0xf2, ['unreachable', "Tor reached none of the onion service's introduction points."]],
  [0xf3, ['unreachable', 'The rendezvous with the onion service failed.']],
  [0xf4, ['authorizationNeeded', 'The onion service requires client authorization.']],
  [0xf5, ['authorizationNeeded', 'The onion service rejected the client authorization key.']],
  [0xf6, ['noHost', 'This is not a valid onion address.']],
  [0xf7, ['timeout', 'The introduction points of the onion service timed out.']],
])

function socksReason(answer: Buffer, error: unknown): [ConnectReason, string] {
  const known = answer[0] === 5 && answer.length > 2 ? SOCKS_REASONS.get(answer[1] ?? 0) : undefined
  if (known !== undefined) return [...known]
  const text = error instanceof Error ? error.message : String(error)
  return ['proxyUnavailable', `The SOCKS proxy failed (${text}).`]
}

function directReason(error: unknown): [ConnectReason, string] {
  const code = codeOf(error)
  switch (code) {
    case 'TIMEOUT':
    case 'ETIMEDOUT':
      return ['timeout', 'The host did not answer in time.']
    case 'ECONNREFUSED':
      return ['refused', 'The host refused the connection to this port.']
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NONAME':
      return ['unresolved', `DNS lookup of the host name failed (${code}).`]
    case PRIVATE:
      return ['noHost', NOT_PUBLIC]
    default:
      return ['unreachable', `The host is unreachable (${code}).`]
  }
}

function timeoutError(): Error {
  return Object.assign(new Error('timeout'), { code: 'TIMEOUT' })
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  return errorCode(error) ?? 'unknown error'
}
