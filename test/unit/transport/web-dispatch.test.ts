import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TlsClientHello } from '../../../src/transport/tls-client-hello.ts'
import { peekClientHello, protocolOf } from '../../../src/transport/web-dispatch.ts'
import { delay } from './fixtures.ts'

describe('web-dispatch', () => {
  const offers = (hasServerName: boolean, protocols?: string[]): TlsClientHello => ({ hasServerName, protocols })

  it.each([
    ['SMP', 'smp', 'smp', offers(false, ['smp/1'])],
    ['SMP with a server name', 'smp', 'smp', offers(true, ['smp/1'])],
    ['SMP among others, with a server name', 'smp', 'smp', offers(true, ['h2', 'http/1.1', 'smp/1'])],
    ['nothing', 'smp', 'smp', offers(false)],
    ['a server name alone', 'smp', 'web', offers(true)],
    ['HTTP without a server name', 'smp', 'smp', offers(false, ['http/1.1'])],
    ['HTTP/2 without a server name', 'smp', 'smp', offers(false, ['h2'])],
    ['HTTP with a server name', 'web', 'web', offers(true, ['http/1.1'])],
    ['what browsers offer', 'web', 'web', offers(true, ['h2', 'http/1.1'])],
    ['HTTP/2 alone with a server name', 'web', 'web', offers(true, ['h2'])],
    ['something unknown with a server name', 'smp', 'smp', offers(true, ['xmpp-client'])],
    ['no TLS', 'smp', 'smp', undefined],
  ] as const)('is known when it offers %s', (_, usually, onWebPort, hello) => {
    expect(protocolOf(hello, false)).toBe(usually)
    expect(protocolOf(hello, true)).toBe(onWebPort)
  })
})

describe('web-dispatch', () => {
  let server: Server
  let client: Socket
  let accepted: Socket
  const body = Buffer.concat([Buffer.alloc(34, 3), Buffer.of(0, 0, 2, 0x13, 0x03, 1, 0)])
  const hello = Buffer.concat([Buffer.of(22, 3, 1, 0, body.length + 4, 1, 0, 0, body.length), body])

  beforeEach(async () => {
    server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    client = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined)
    ;[accepted] = (await once(server, 'connection')) as [Socket]
  })
  afterEach(() => {
    client.destroy()
    accepted.destroy()
    server.close()
  })

  const peek = (timeoutMs = 5000): Promise<TlsClientHello | string | undefined> =>
    new Promise((resolve) => peekClientHello(accepted, timeoutMs, resolve, resolve))

  it('peeking at the ClientHello leaves every byte for TLS, in whatever pieces they arrive', async () => {
    const decided = peek()
    for (const byte of hello) {
      client.write(Buffer.of(byte))
      await delay(1)
    }
    client.write('and more')
    expect(await decided).toEqual({ hasServerName: false, protocols: undefined })
    await delay(20)
    const chunks: Buffer[] = []
    accepted.on('data', (chunk: Buffer) => chunks.push(chunk)).resume()
    await expect.poll(() => Buffer.concat(chunks).toString('latin1')).toBe(`${hello.toString('latin1')}and more`)
    expect(accepted.listenerCount('close')).toBe(0)
  })

  it('peeking at the ClientHello decides at the first byte when it is not TLS', async () => {
    const decided = peek()
    client.write('G')
    expect(await decided).toBeUndefined()
    expect(accepted.read()).toEqual(Buffer.from('G'))
  })

  it('peeking at the ClientHello closes a connection whose message is late, even one that sends a byte now and then', async () => {
    const start = performance.now()
    const decided = peek(200)
    const timer = setInterval(() => client.write(hello.subarray(0, 1)), 50)
    client.write(Buffer.of(22, 3, 1, 0x40, 0))
    const closed = new Promise((resolve) => client.once('close', resolve))
    client.resume()
    expect(await decided).toBe('ERR_TLS_HANDSHAKE_TIMEOUT')
    await closed
    clearInterval(timer)
    expect(performance.now() - start).toBeLessThan(1500)
  })

  it.each(['end', 'resetAndDestroy'] as const)(
    'peeking at the ClientHello reports a client that disconnects (%s)',
    async (leave) => {
      const decided = peek()
      client.write(hello.subarray(0, 10))
      await delay(10)
      client[leave]()
      expect(await decided).toBe('ECONNRESET')
    },
  )
})
