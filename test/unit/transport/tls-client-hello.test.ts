import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { connect, type ConnectionOptions } from 'node:tls'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseTlsClientHello } from '../../../src/transport/tls-client-hello.ts'

/** The first message that OpenSSL sends with these options. */
async function firstFlight(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({ host: '127.0.0.1', port, ...options }).on('error', () => undefined)
  const [socket] = (await once(server, 'connection')) as [import('node:net').Socket]
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  socket.destroy()
  server.close()
  return bytes
}

/** The same handshake message in records of `size` bytes. */
function inRecordsOf(size: number, hello: Buffer): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const fragment = message.subarray(at, at + size)
    records.push(Buffer.of(22, 3, 1, fragment.length >> 8, fragment.length & 255), fragment)
  }
  return Buffer.concat(records)
}

describe('tls-client-hello', () => {
  it.each<[string, ConnectionOptions, unknown]>([
    ['nothing', {}, { hasServerName: false, protocols: undefined }],
    ['a server name', { servername: 'a.example' }, { hasServerName: true, protocols: undefined }],
    ['ALPN', { ALPNProtocols: ['smp/1'] }, { hasServerName: false, protocols: ['smp/1'] }],
    [
      'both, in TLS 1.2',
      { servername: 'a.example', ALPNProtocols: ['h2', 'http/1.1'], maxVersion: 'TLSv1.2' },
      { hasServerName: true, protocols: ['h2', 'http/1.1'] },
    ],
  ])('a ClientHello is parsed: %s', async (_, options, expected) => {
    const bytes = await firstFlight(options)
    expect(parseTlsClientHello(bytes)).toEqual(expected)
    expect(parseTlsClientHello(Buffer.concat([bytes, Buffer.from('what comes next')]))).toEqual(expected)
  })

  it('a ClientHello is incomplete up to its last byte and may be spread over records', async () => {
    const bytes = await firstFlight({ servername: 'a.example', ALPNProtocols: ['http/1.1'] })
    for (let length = 0; length < bytes.length; length++) {
      expect(parseTlsClientHello(bytes.subarray(0, length))).toBe('incomplete')
    }
    for (const size of [1, 2, 3, 4, 5, 100, bytes.length - 6]) {
      const records = inRecordsOf(size, bytes)
      expect(parseTlsClientHello(records)).toEqual({ hasServerName: true, protocols: ['http/1.1'] })
      expect(parseTlsClientHello(records.subarray(0, -1))).toBe('incomplete')
    }
  })

  it('a ClientHello may have no extensions', () => {
    const body = Buffer.concat([Buffer.alloc(34, 3), Buffer.of(0, 0, 2, 0x13, 0x03, 1, 0)])
    const message = Buffer.concat([Buffer.of(1, 0, 0, body.length), body])
    const bytes = Buffer.concat([Buffer.of(22, 3, 1, 0, message.length), message])
    expect(parseTlsClientHello(bytes)).toEqual({ hasServerName: false, protocols: undefined })
  })

  it.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['one byte of something else', Buffer.of(0x80)],
    ['an empty record', Buffer.of(22, 3, 1, 0, 0)],
    ['a record that is too long', Buffer.of(22, 3, 1, 0x40, 1)],
    ['another handshake message', Buffer.of(22, 3, 1, 0, 4, 2, 0, 0, 0)],
    ['a message that is too long', Buffer.of(22, 3, 1, 0, 4, 1, 0, 0x40, 0)],
    ['a message without content', Buffer.of(22, 3, 1, 0, 4, 1, 0, 0, 0)],
    [
      'one spread over thousands of records',
      inRecordsOf(1, Buffer.concat([Buffer.of(0, 0, 0, 0, 0, 1, 0, 0x30, 0), Buffer.alloc(8000)])),
    ],
    ['another record in the middle', Buffer.of(22, 3, 1, 0, 1, 1, 21, 3, 1, 0, 2)],
  ])('a ClientHello is not %s', (_, bytes) => {
    expect(parseTlsClientHello(bytes)).toBe('other')
  })

  it('parsing a ClientHello never throws, whatever is changed in it', async () => {
    const bytes = await firstFlight({ servername: 'a.example', ALPNProtocols: ['http/1.1'] })
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 8 }), (changes) => {
        const damaged = Buffer.from(bytes)
        for (const [at, value] of changes) damaged[at] = value
        parseTlsClientHello(damaged)
      }),
      { numRuns: 2000 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (junk) => void parseTlsClientHello(Buffer.from(junk))))
  })
})
