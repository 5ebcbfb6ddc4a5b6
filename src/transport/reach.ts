import { lookup } from 'node:dns'
import { connect, type LookupFunction, type Socket } from 'node:net'
import { SocksClient } from 'socks'
import { failConnect, type ConnectReason } from './failure.ts'
import { isOnion, type Route, type SocksServer } from './route.ts'

export interface ReachOptions {
  readonly signal: AbortSignal
  /** What resolves the names of hosts that are connected to directly; DNS when absent. */
  readonly lookup?: LookupFunction
}

/** A TCP connection to the host and port, through the proxy if the route says so; ConnectError otherwise. */
export async function reach(route: Route, port: number, options: ReachOptions): Promise<Socket> {
  switch (route.via) {
    case 'direct':
      return openSocket({ host: route.host, port, lookup: guardedLookup(options.lookup ?? lookup) }, options).catch(
        (error: unknown) => failConnect('reach', ...directReason(error)),
      )
    case 'socks':
      return reachThroughSocks(route.socks, route.host, port, options)
    case 'none':
      return failConnect(
        'address',
        'noHost',
        route.why === 'onionWithoutSocks'
          ? 'An onion address can be reached only through a SOCKS proxy, and none is set.'
          : 'The address has no host of the required kind.',
      )
  }
}

/** A second lock, should a route ever be wrong: .onion names never leave this machine as DNS queries (RFC 7686). */
function guardedLookup(resolve: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    if (!isOnion(hostname)) resolve(hostname, options, callback)
    else callback(Object.assign(new Error('.onion is not for DNS'), { code: 'ENOTFOUND' }), [])
  }
}

type SocketTarget = { host: string; port: number; lookup?: LookupFunction } | { path: string }

function openSocket(target: SocketTarget, { signal }: ReachOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...target, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 })
    const abort = (): void => {
      socket.destroy()
      reject(timeoutError())
    }
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort)
      socket.off('error', reject)
      // Whoever takes the socket over listens for errors; one that comes before ends in `close`.
      socket.on('error', () => undefined)
      resolve(socket)
    })
    socket.once('error', reject)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}

async function reachThroughSocks(
  server: SocksServer,
  host: string,
  port: number,
  options: ReachOptions,
): Promise<Socket> {
  const target = 'path' in server ? { path: server.path } : { host: server.host, port: server.port }
  const socket = await openSocket(target, options).catch((error: unknown) =>
    options.signal.aborted
      ? failConnect('reach', 'timeout', 'The SOCKS proxy did not answer in time.')
      : failConnect('reach', 'proxyUnavailable', `The SOCKS proxy cannot be connected to (${codeOf(error)}).`),
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
    // The name goes to the proxy as it is, and only the proxy resolves it.
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
    if (options.signal.aborted) return failConnect('reach', 'timeout', 'The SOCKS proxy did not connect in time.')
    return failConnect('reach', ...socksReason(answer, error))
  } finally {
    socket.off('data', watch)
    options.signal.removeEventListener('abort', abort)
  }
}

/** The signal ends an attempt earlier. */
const SOCKS_TIMEOUT_MS = 600_000

/** Replies of SOCKS5 (RFC 1928 §6), and of tor with ExtendedErrors (its SOCKS extensions). */
const SOCKS_REASONS: ReadonlyMap<number, readonly [ConnectReason, string]> = new Map([
  [0x01, ['unreachable', 'The SOCKS proxy could not connect.']],
  [0x02, ['unreachable', 'The rules of the SOCKS proxy forbid this connection.']],
  [0x03, ['unreachable', 'The SOCKS proxy found no network.']],
  [0x04, ['unreachable', 'The SOCKS proxy found no way to the host; with tor, often: no such onion service.']],
  [0x05, ['refused', 'The host was reached and refused the port.']],
  [0x06, ['timeout', 'The SOCKS proxy gave up waiting for the host.']],
  [0xf0, ['descriptorNotFound', 'tor found no descriptor of the onion service.']],
  [0xf1, ['unreachable', 'tor found an invalid descriptor of the onion service.']],
  [0xf2, ['unreachable', 'tor reached none of the introduction points of the onion service.']],
  [0xf3, ['unreachable', 'tor could not meet the onion service.']],
  [0xf4, ['authorizationNeeded', 'The onion service admits only clients that it knows.']],
  [0xf5, ['authorizationNeeded', 'The onion service does not know the key of this client.']],
  [0xf6, ['noHost', 'This is not a valid onion address.']],
  [0xf7, ['timeout', 'The introduction points of the onion service did not answer tor in time.']],
])

function socksReason(answer: Buffer, error: unknown): [ConnectReason, string] {
  const known = answer[0] === 5 && answer.length > 2 ? SOCKS_REASONS.get(answer[1] ?? 0) : undefined
  if (known !== undefined) return [...known]
  const text = error instanceof Error ? error.message : String(error)
  return ['proxyUnavailable', `The SOCKS proxy did not do its part (${text}).`]
}

function directReason(error: unknown): [ConnectReason, string] {
  const code = codeOf(error)
  switch (code) {
    case 'TIMEOUT':
    case 'ETIMEDOUT':
      return ['timeout', 'The host did not answer in time.']
    case 'ECONNREFUSED':
      return ['refused', 'The host was reached and refused the port.']
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NONAME':
      return ['unresolved', `The name of the host was not found in DNS (${code}).`]
    default:
      return ['unreachable', `The host cannot be reached (${code}).`]
  }
}

function timeoutError(): Error {
  return Object.assign(new Error('timeout'), { code: 'TIMEOUT' })
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return 'unknown error'
}
