import type { Socket } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { BlockChannel, ChannelHandlers, CloseReason } from '../../../src/transport/channel.ts'
import { listen, type Listener, type ListenOptions, type TlsFault } from '../../../src/transport/listener.ts'
import { makeCredentials, type TestCredentials } from './fixtures.ts'

/** A listener on loopback, what it got, and clients of it. */
export interface Loopback {
  readonly listener: Listener
  readonly credentials: TestCredentials
  readonly faults: TlsFault[]
  /** The next channel. */
  channel(): Promise<BlockChannel>
  /** A TLS client as apps are. */
  client(options?: ConnectionOptions): Promise<TLSSocket>
  close(): Promise<void>
}

export interface LoopbackOptions extends Partial<ListenOptions> {
  readonly alg?: 'ed25519' | 'ed448'
}

export async function loopback({ alg, ...options }: LoopbackOptions = {}): Promise<Loopback> {
  const credentials = makeCredentials(alg ? { alg } : {})
  const faults: TlsFault[] = []
  const channels: BlockChannel[] = []
  const waiting: ((channel: BlockChannel) => void)[] = []
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    credentials,
    onChannel: (channel) => {
      const waiter = waiting.shift()
      if (waiter) waiter(channel)
      else channels.push(channel)
    },
    onTlsError: (fault) => faults.push(fault),
    // Here clients may send before the relay does.
    maxHandshakeBytes: Infinity,
    ...options,
  })
  const own: Socket[] = []
  const result: Loopback = {
    listener,
    credentials,
    faults,
    channel() {
      const channel = channels.shift()
      return channel ? Promise.resolve(channel) : new Promise((resolve) => waiting.push(resolve))
    },
    client(clientOptions = {}) {
      return new Promise((resolve, reject) => {
        const socket = connect({
          host: '127.0.0.1',
          port: listener.port,
          rejectUnauthorized: false,
          ALPNProtocols: ['smp/1'],
          ecdhCurve: 'X448:X25519',
          sigalgs: 'ed448:ed25519',
          ...clientOptions,
        })
        own.push(socket)
        socket.once('secureConnect', () => resolve(socket))
        socket.once('error', reject)
        socket.on('error', () => undefined)
      })
    },
    async close() {
      for (const socket of own) socket.destroy()
      await listener.close()
    },
  }
  return result
}

export interface Recorder extends ChannelHandlers {
  readonly blocks: Buffer[]
  readonly reasons: CloseReason[]
  drains: number
}

export function recorder(onBlock?: (block: Buffer) => void): Recorder {
  const blocks: Buffer[] = []
  const reasons: CloseReason[] = []
  return {
    blocks,
    reasons,
    drains: 0,
    block(block) {
      blocks.push(block)
      onBlock?.(block)
    },
    drain() {
      this.drains++
    },
    close: (reason) => reasons.push(reason),
  }
}

/**
 * Resolves after blocks went back and forth on another connection of the relay: whatever other connections had sent
 * before has been read by then, unless it is not being read.
 */
export async function roundTrips(relay: Loopback, count = 3): Promise<void> {
  const client = await relay.client()
  const channel = await relay.channel()
  channel.attach(recorder((block) => void channel.write(block)))
  for (let trip = 1; trip <= count; trip++) {
    let received = 0
    const arrived = new Promise<void>((resolve) => {
      client.on('data', (chunk: Buffer) => {
        received += chunk.length
        if (received === 16384) resolve()
      })
    })
    client.write(Buffer.alloc(16384))
    await arrived
    client.removeAllListeners('data')
  }
  client.destroy()
}

/** Waits until the condition holds; fails after five seconds, or the time given. */
export async function until(condition: () => boolean, what: string, timeoutMs = 5000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
