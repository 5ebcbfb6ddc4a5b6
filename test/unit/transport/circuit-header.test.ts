import { connect } from 'node:net'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { MAX_CIRCUIT_HEADER, parseCircuitHeader } from '../../../src/transport/circuit-header.ts'
import { ConnectionLimits } from '../../../src/transport/connection-limits.ts'
import { silentLogger } from '../../../src/config/log.ts'
import { connect as connectTls } from 'node:tls'
import { loopback, until, type Loopback } from './loopback.ts'

/** As tor 0.4.9 writes it. */
function headerOf(circuit: number): string {
  const [high, low] = [circuit >>> 16, circuit & 0xffff].map((part) => part.toString(16))
  return `PROXY TCP6 fc00:dead:beef:4dad::${high}:${low} ::1 ${circuit & 0xffff} 5223\r\n`
}

const circuits = fc.nat(2 ** 32 - 1)

describe('the header with the circuit', () => {
  it('every circuit is read, wherever the bytes are cut, and what follows is left', () => {
    fc.assert(
      fc.property(circuits, fc.uint8Array({ maxLength: 200 }), fc.nat(300), (circuit, rest, cut) => {
        const header = Buffer.from(headerOf(circuit))
        const bytes = Buffer.concat([header, rest])
        expect(parseCircuitHeader(bytes)).toEqual({ circuit, length: header.length })
        const part = parseCircuitHeader(bytes.subarray(0, cut))
        expect(part).toEqual(cut < header.length ? 'incomplete' : { circuit, length: header.length })
      }),
    )
  })

  it('anything else is refused before it is longer than a header can be', () => {
    const mutated = fc.tuple(circuits, fc.nat(70), fc.nat(255)).map(([circuit, at, byte]) => {
      const bytes = Buffer.from(headerOf(circuit))
      bytes[at % bytes.length] = byte
      return bytes
    })
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
          mutated,
        ),
        (bytes) => {
          const parsed = parseCircuitHeader(bytes)
          if (typeof parsed === 'object') {
            expect(parsed.length).toBeLessThanOrEqual(MAX_CIRCUIT_HEADER)
            expect(parsed.circuit).toBeLessThanOrEqual(2 ** 32 - 1)
          } else if (parsed === 'incomplete') expect(bytes.length).toBeLessThan(MAX_CIRCUIT_HEADER)
        },
      ),
    )
  })

  it.each([
    'PROXY TCP6 fc00:dead:beef:4dad::0:10000 ::1 1 5223\r\n',
    'PROXY TCP6 fc00:dead:beef:4dad::0:1 ::1 1 5223\n',
    'PROXY TCP6 fc00:dead:beef:4dad::0:1 ::2 1 5223\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 5223\r\n',
    'PROXY UNKNOWN\r\n',
    'PROXY TCP6 2001:db8::1 ::1 1 5223\r\n',
    ' PROXY TCP6 fc00:dead:beef:4dad::0:1 ::1 1 5223\r\n',
    `PROXY TCP6 fc00:dead:beef:4dad::${'0'.repeat(100)}\r\n`,
    '\u0016\u0003\u0001',
  ])('%j is no header of tor', (text) => {
    expect(parseCircuitHeader(Buffer.from(text, 'latin1'))).toBe('other')
  })
})

describe('a listener for tor', () => {
  let relay: Loopback | undefined
  afterEach(async () => {
    await relay?.close()
    relay = undefined
  })

  function limits(perCircuit: number, now?: () => number): ConnectionLimits {
    return new ConnectionLimits({
      total: 1000,
      perAddress: 0,
      perCircuit,
      log: silentLogger,
      ...(now && { now }),
    })
  }

  /** A TLS client that tor leads here; `false` when it is refused. */
  async function through(circuit: number): Promise<boolean> {
    const port = relay?.listener.port ?? 0
    const tcp = connect(port, '127.0.0.1')
    const header = headerOf(circuit)
    tcp.write(header.slice(0, 20))
    await new Promise((resolve) => setTimeout(resolve, 5))
    tcp.write(header.slice(20))
    const options = { rejectUnauthorized: false, ALPNProtocols: ['smp/1'], ecdhCurve: 'X448:X25519' }
    return await new Promise((resolve) => {
      const client = connectTls({ socket: tcp, sigalgs: 'ed448:ed25519', ...options })
      client.once('secureConnect', () => resolve(true)).once('error', () => resolve(false))
      client.once('close', () => resolve(false))
    })
  }

  /** Has the next channel send its first block, as the relay does: then its handshake is over. */
  async function greet(): Promise<void> {
    const channel = await relay?.channel()
    channel?.write(Buffer.alloc(16_384))
  }

  it('the connections of a circuit are limited, and those of another are not', async () => {
    const counted = limits(2)
    relay = await loopback({ limits: counted, withCircuits: true })
    for (let count = 0; count < 2; count++) {
      expect(await through(7)).toBe(true)
      await greet()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(await through(7)).toBe(false)
    expect(await through(8)).toBe(true)
    expect(counted.rejected).toEqual({ total: 0, perAddress: 0, perCircuit: 1 })
    expect(counted.open).toBe(3)
  })

  it('connections of a circuit that do not complete their handshake leave it a quarter of its share', async () => {
    const counted = limits(8)
    relay = await loopback({ limits: counted, withCircuits: true })
    const idle = Array.from({ length: 10 }, () => connect(relay?.listener.port ?? 0, '127.0.0.1'))
    for (const socket of idle) socket.on('error', () => undefined).write(headerOf(7))
    await until(() => counted.rejected.perCircuit === 8, 'refused')
    expect(counted.open).toBe(2)
    for (const socket of idle) socket.destroy()
    await until(() => counted.open === 0, 'closed')
    expect(await through(7)).toBe(true)
  })

  it('a circuit that connects again and again waits for the next minute', async () => {
    let minute = 0
    const counted = limits(2, () => minute * 60_000)
    relay = await loopback({ limits: counted, withCircuits: true })
    const attempt = async (): Promise<void> => {
      const socket = connect(relay?.listener.port ?? 0, '127.0.0.1').on('error', () => undefined)
      const before = counted.rejected.perCircuit
      socket.write(headerOf(7))
      await until(() => counted.open === 1 || counted.rejected.perCircuit > before, 'an answer')
      socket.destroy()
      await until(() => counted.open === 0, 'closed')
    }
    for (let count = 0; count < 6; count++) await attempt()
    expect(counted.rejected.perCircuit).toBe(2)
    minute = 1
    await attempt()
    expect(counted.rejected.perCircuit).toBe(2)
  })

  it('a connection without the header is closed, and no other port takes the header', async () => {
    relay = await loopback({ limits: limits(2), withCircuits: true })
    await expect(relay.client()).rejects.toThrow()
    await until(() => relay?.faults[0]?.code === 'NO_CIRCUIT_HEADER', 'the fault')
    await relay.close()
    relay = await loopback({ limits: limits(2), web: { on: 'shared port' } })
    expect(await through(7)).toBe(false)
    await until(() => relay?.faults[0]?.code === 'PROXY_HEADER', 'the fault')
  })
})
