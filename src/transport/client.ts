import type { LookupFunction } from 'node:net'
import { portNumber, type RelayAddress } from '../protocol/server-address.ts'
import { checkRelayChain, joinRelay, type ClientHandshakeOptions } from './client-handshake.ts'
import { ConnectError, failConnect, type ConnectFailure } from './failure.ts'
import { peerChain } from './peer-certificates.ts'
import { connectVia } from './connector.ts'
import { RelayClient, type RelayClientOptions } from './relay-client.ts'
import { chooseRoute, type Route, type Routing } from './route.ts'
import { connectTls } from './tls-client.ts'
import { TlsChannel } from './tls-channel.ts'

export interface ConnectOptions extends ClientHandshakeOptions, RelayClientOptions {
  readonly routing?: Routing
  /** For the TCP connection, TLS and the handshake together; 45 s when absent. */
  readonly timeoutMs?: number
  /** Cancels the attempt, as a timeout does. */
  readonly signal?: AbortSignal
  /** Replaces DNS for hosts that are connected to directly. */
  readonly lookup?: LookupFunction
  /** Connect to hosts of the public internet and onion services only. */
  readonly publicOnly?: boolean
}

/** Milliseconds of each step that was reached. */
export interface ConnectTimings {
  /** TCP, or TCP and SOCKS. */
  connect?: number
  tls?: number
  handshake?: number
}

export type ConnectResult =
  | { readonly client: RelayClient; readonly route: Route; readonly timings: Readonly<ConnectTimings> }
  | { readonly failure: ConnectFailure; readonly route: Route; readonly timings: Readonly<ConnectTimings> }

const CONNECT_TIMEOUT_MS = 45_000

/**
 * Connects to a relay as SMP clients and proxies do and checks that its identity is that of the address (wire format
 * §11). Everything that a network or a peer can do wrong is a `failure`, never a rejection.
 */
export async function connectRelay(address: RelayAddress, options: ConnectOptions = {}): Promise<ConnectResult> {
  const route = chooseRoute(address.hosts, options.routing ?? {})
  const timings: ConnectTimings = {}
  try {
    return { client: await connectBy(route, address, options, timings), route, timings }
  } catch (error) {
    if (error instanceof ConnectError) return { failure: error.failure, route, timings }
    throw error
  }
}

async function connectBy(
  route: Route,
  address: RelayAddress,
  options: ConnectOptions,
  timings: ConnectTimings,
): Promise<RelayClient> {
  const port = portNumber(address.port) ?? failConnect('address', 'noHost', 'The port of the address is not a number.')
  const timeoutMs = options.timeoutMs ?? CONNECT_TIMEOUT_MS
  const deadline = performance.now() + timeoutMs
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), timeoutMs)
  const { signal } = controller
  const abandon = (): void => controller.abort()
  options.signal?.addEventListener('abort', abandon, { once: true })
  if (options.signal?.aborted === true) abandon()
  try {
    const tcp = await timed(
      timings,
      'connect',
      connectVia(route, port, {
        signal,
        publicOnly: options.publicOnly === true,
        ...(options.lookup && { lookup: options.lookup }),
      }),
    )
    const tls = await timed(timings, 'tls', connectTls(tcp, options.service, signal))
    const chain = peerChain(tls)
    const channel = new TlsChannel(
      tls,
      tls.getFinished() ?? failConnect('tls', 'tls', 'TLS ended before the handshake.'),
      tcp.localPort ?? 0,
    )
    signal.addEventListener('abort', () => channel.close(), { once: true })
    try {
      checkRelayChain(chain, address.keyHash, options.now?.() ?? new Date())
      const session = await timed(timings, 'handshake', joinRelay(channel, address.keyHash, deadline, options))
      return new RelayClient(session, options)
    } catch (error) {
      channel.close()
      throw error
    }
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', abandon)
  }
}

async function timed<T>(timings: ConnectTimings, step: keyof ConnectTimings, work: Promise<T>): Promise<T> {
  const start = performance.now()
  try {
    return await work
  } finally {
    timings[step] = performance.now() - start
  }
}
