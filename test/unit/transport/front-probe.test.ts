import { readFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { probeFront, type Front } from '../../../src/transport/front-probe.ts'
import { parseTlsClientHello } from '../../../src/transport/tls-client-hello.ts'
import { makeWebCertificate, type TestWebCertificate } from '../../client/web-certificate.ts'
import { loopback, until, type Loopback } from './loopback.ts'

let relay: Loopback
let certificate: TestWebCertificate
const servers: Server[] = []
const sockets: Socket[] = []

beforeAll(async () => {
  certificate = await makeWebCertificate()
})
beforeEach(async () => {
  relay = await loopback({ web: { on: 'shared port' } })
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve))
  await relay.close()
})
afterAll(() => certificate.remove())

async function listenOn(server: Server): Promise<number> {
  servers.push(server)
  server.on('connection', (socket: Socket) => sockets.push(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** A proxy that passes TCP on, with something in front of it. */
function forward(client: Socket, before: Buffer | string, first: Buffer = Buffer.alloc(0)): void {
  const onward = connect(relay.listener.port, '127.0.0.1').on('error', () => undefined)
  sockets.push(onward)
  onward.write(before)
  onward.write(first)
  client.pipe(onward).pipe(client)
}

const probe = (port: number, host = 'localhost'): Promise<Front | undefined> =>
  probeFront({ host, port, keyHash: relay.credentials.identityHash, timeoutMs: 3000 })

const V1 = 'PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n'
const V2 = Buffer.from('0d0a0d0a000d0a515549540a21110000c00002', 'hex')

describe('front-probe', () => {
  it.each([
    ['version 1', V1],
    ['version 2', V2],
  ])('a proxy that sends a PROXY header of %s is recognised, and the relay logs it', async (_, header) => {
    const port = await listenOn(createServer((client) => forward(client, header)))
    expect(await probe(port)).toEqual({ type: 'PROXY header' })
    expect(relay.faults[0]).toMatchObject({
      code: 'PROXY_HEADER',
      detail: expect.stringMatching(/send-proxy/) as string,
    })
  })

  it('a proxy that routes by server name is recognised', async () => {
    const server = createServer((client) => {
      client.once('data', (chunk) => {
        const hello = parseTlsClientHello(chunk)
        if (typeof hello === 'object' && hello.hasServerName) forward(client, '', chunk)
        else client.destroy()
      })
    })
    expect(await probe(await listenOn(server))).toEqual({ type: 'server name' })
  })

  it('a server that ends TLS in front of the relay is recognised by the names of its certificate', async () => {
    const key = await readFile(certificate.key)
    const server = createTlsServer({ cert: certificate.pem, key }, (client) => client.end())
    expect(await probe(await listenOn(server))).toEqual({ type: 'ends TLS', names: 'relay.test, localhost' })
  })

  it('nothing is recognised in front of a relay that is connected to directly, or through plain TCP', async () => {
    expect(await probe(relay.listener.port, '127.0.0.1')).toBeUndefined()
    expect(await probe(await listenOn(createServer((client) => forward(client, ''))), '127.0.0.1')).toBeUndefined()
  })

  it('a plain HTTP request is answered in HTTP, and logged', async () => {
    const client = connect(relay.listener.port, '127.0.0.1')
    sockets.push(client)
    let text = ''
    client.on('data', (chunk: Buffer) => (text += chunk.toString())).write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await new Promise((resolve) => client.on('close', resolve))
    expect(text).toMatch(/^HTTP\/1\.1 400 .*not plain HTTP\n$/s)
    expect(relay.faults).toMatchObject([{ code: 'PLAIN_HTTP' }])
    await until(() => relay.listener.counts.active === 0, 'the end')
  })
})
