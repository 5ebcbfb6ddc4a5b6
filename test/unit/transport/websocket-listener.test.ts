import { X509Certificate } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/config/log.ts'
import type { WebOptions } from '../../../src/transport/listener.ts'
import { WebCertificate } from '../../../src/transport/web-certificate.ts'
import { challengeIn } from '../../../src/transport/web-server.ts'
import { makeWebCertificate, type TestWebCertificate } from '../../client/web-certificate.ts'
import { openWebSocket } from '../../client/websocket.ts'
import { makeCredentials } from './fixtures.ts'
import { loopback, until, type Loopback } from './loopback.ts'

let web: TestWebCertificate
beforeAll(async () => {
  web = await makeWebCertificate()
})
afterAll(() => web.remove())

const open: Loopback[] = []
async function relayWith(options: Parameters<typeof loopback>[0]): Promise<Loopback> {
  const relay = await loopback(options)
  open.push(relay)
  return relay
}
afterEach(async () => {
  for (const relay of open.splice(0)) await relay.close()
})

/** A client with the TLS of a browser, as far as it matters. */
function browser(relay: Loopback, ALPNProtocols?: string[], servername?: string): Promise<TLSSocket> {
  return relay.client({
    ...(ALPNProtocols && { ALPNProtocols }),
    ...(!ALPNProtocols && { ALPNProtocols: undefined }),
    ...(servername !== undefined && { servername }),
    ecdhCurve: 'auto',
    sigalgs: 'ecdsa_secp256r1_sha256:ed25519:rsa_pss_rsae_sha256',
  })
}

/** What the relay speaks on this connection: it waits for a request, or makes a channel of it at once. */
async function spoken(relay: Loopback, socket: TLSSocket): Promise<string> {
  const channel = relay.channel().then(() => 'SMP blocks')
  await new Promise((resolve) => setTimeout(resolve, 60))
  socket.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n')
  const answer = new Promise<string>((resolve) => socket.on('data', (data: Buffer) => resolve(data.toString())))
  const first = await Promise.race([channel, answer])
  return first.startsWith('HTTP/1.1 200') ? 'HTTP' : first
}

const SMP = 'SMP blocks'
const HTTP = 'HTTP'
const OWN = 'the web certificate'
const RELAY = 'the certificate of SMP'

describe('websocket-listener', () => {
  const certificateOf = (relay: Loopback, socket: TLSSocket): string => {
    const { raw } = socket.getPeerCertificate()
    if (raw.equals(relay.credentials.chain[0] ?? Buffer.alloc(0))) return RELAY
    return raw.equals(new X509Certificate(web.pem).raw) ? OWN : 'another certificate'
  }

  describe.each<[string, () => WebOptions]>([
    ['with a web certificate', () => ({ on: 'shared port', certificate: new WebCertificate(web, silentLogger) })],
    ['without one', () => ({ on: 'shared port' })],
    [
      'while the files of the web certificate are missing',
      () => ({
        on: 'shared port',
        certificate: new WebCertificate({ certificate: '/nowhere/web.crt', key: '/nowhere/web.key' }, silentLogger),
      }),
    ],
  ])('a shared port %s', (setting, webOptions) => {
    const webCertificate = setting === 'with a web certificate' ? OWN : RELAY
    const isWebPort = setting !== 'without one'

    it.each<[string[] | undefined, string | undefined, string, string, string | false]>([
      [['smp/1'], undefined, SMP, RELAY, 'smp/1'],
      [['smp/1'], 'relay.test', SMP, RELAY, 'smp/1'],
      [['http/1.1', 'smp/1'], 'relay.test', SMP, RELAY, 'smp/1'],
      [undefined, undefined, SMP, RELAY, false],
      [undefined, 'relay.test', isWebPort ? HTTP : SMP, isWebPort ? webCertificate : RELAY, false],
      [['http/1.1'], undefined, SMP, RELAY, 'http/1.1'],
      [['h2'], undefined, SMP, RELAY, 'h2'],
      [['h2', 'http/1.1'], undefined, SMP, RELAY, 'h2'],
      [['http/1.1'], 'relay.test', HTTP, webCertificate, 'http/1.1'],
      [['h2', 'http/1.1'], 'relay.test', HTTP, webCertificate, 'http/1.1'],
      [['http/1.1'], 'other.test', HTTP, webCertificate, 'http/1.1'],
    ])('meets a client that offers %s and names %s with %s and %s', async (alpn, name, speaks, certificate, agreed) => {
      const relay = await relayWith({ web: webOptions() })
      const socket = await browser(relay, alpn, name)
      expect(certificateOf(relay, socket)).toBe(certificate)
      expect(socket.alpnProtocol).toBe(agreed)
      expect(await spoken(relay, socket)).toBe(speaks)
    })

    it('agrees on nothing with a browser that knows HTTP/2 only, and with a client of something else', async () => {
      const relay = await relayWith({ web: webOptions() })
      await expect(browser(relay, ['h2'], 'relay.test')).rejects.toThrow(/no application protocol/)
      await expect(browser(relay, ['xmpp-client'], 'relay.test')).rejects.toThrow(/no application protocol/)
      expect(relay.faults).toHaveLength(2)
    })

    it('keeps to the TLS of SMP for clients of SMP', async () => {
      const relay = await relayWith({ web: webOptions() })
      const refused = relay.client({ ciphers: 'TLS_AES_256_GCM_SHA384', servername: 'relay.test' })
      await expect(refused).rejects.toThrow(/handshake failure/)
    })
  })

  it('a shared port requests certificates from SMP clients and never from browsers', async () => {
    const relay = await relayWith({ web: { on: 'shared port' } })
    const service = makeCredentials()
    await relay.client({ cert: service.certPem, key: service.keyPem })
    expect((await relay.channel()).peerCertificates).toEqual(service.chain)
    const tls = { cert: service.certPem, key: service.keyPem }
    const stream = await openWebSocket({ host: '127.0.0.1', port: relay.listener.port }, { webSocket: { tls } })
    expect((await relay.channel()).peerCertificates).toEqual([])
    stream.close()
  })

  it('a shared port uses new credentials for new connections, for SMP and for the web', async () => {
    const relay = await relayWith({ web: { on: 'shared port' } })
    const renewed = makeCredentials()
    relay.listener.use({ credentials: renewed })
    for (const alpn of ['smp/1', 'http/1.1']) {
      const socket = await browser(relay, [alpn], 'relay.test')
      expect(socket.getPeerCertificate().raw).toEqual(renewed.chain[0])
    }
  })

  it.each([
    ['says nothing', Buffer.alloc(0), 1],
    ['says one byte', Buffer.of(22), 1],
    ['begins with HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 1],
  ])('a shared port closes a connection that %s', async (_, bytes, faults) => {
    const relay = await relayWith({ web: { on: 'shared port' }, handshakeTimeoutMs: 200 })
    const socket = connectTcp(relay.listener.port, '127.0.0.1').on('error', () => undefined)
    socket.write(bytes)
    await new Promise((resolve) => socket.resume().on('close', resolve))
    await until(() => relay.listener.counts.active === 0 && relay.faults.length === faults, 'the end')
  })

  it.each([
    ['TLS', ''],
    ['a request', 'GET / HTTP/1.1\r\nHost: a\r\n'],
    ['an answer', 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n'],
    [
      'a WebSocket',
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x82\xff',
    ],
  ])('a shared port survives clients that reset the connection at any moment of %s', async (_, bytes) => {
    const relay = await relayWith({ web: { on: 'shared port' } })
    for (let ms = 0; ms < 24; ms++) {
      const tcp = connectTcp(relay.listener.port, '127.0.0.1').on('error', () => undefined)
      const socket = connect({
        socket: tcp,
        servername: 'a.test',
        ALPNProtocols: ['http/1.1'],
        rejectUnauthorized: false,
      })
      socket.on('error', () => undefined)
      socket.write(bytes, 'latin1')
      await new Promise((resolve) => setTimeout(resolve, ms))
      tcp.resetAndDestroy()
    }
    await until(() => relay.listener.counts.active === 0, 'the end of all')
    const stream = await openWebSocket({ host: '127.0.0.1', port: relay.listener.port })
    expect(stream.open).toBe(true)
    stream.close()
  })

  it('a shared port ends every connection when it closes, including WebSockets and silent ones', async () => {
    const relay = await relayWith({ web: { on: 'shared port' } })
    const stream = await openWebSocket({ host: '127.0.0.1', port: relay.listener.port })
    const silent = connectTcp(relay.listener.port, '127.0.0.1').on('error', () => undefined)
    const closed = new Promise((resolve) => silent.resume().on('close', resolve))
    await until(() => relay.listener.counts.active === 2, 'two connections')
    await relay.listener.close()
    await stream.closed
    await closed
    await until(() => relay.listener.counts.active === 0, 'both ends')
    expect(relay.listener.counts).toMatchObject({ accepted: 2, closed: 2 })
  })
})

describe('websocket-listener', () => {
  it.each<[string[] | undefined, string | undefined]>([
    [['http/1.1'], 'relay.test'],
    [['http/1.1'], undefined],
    [['smp/1'], undefined],
    [undefined, undefined],
  ])('a WebSocket port speaks HTTP with a client that offers %s and sends the server name %s', async (alpn, name) => {
    const relay = await relayWith({ web: { on: 'own port' } })
    const socket = await browser(relay, alpn, name)
    expect(socket.alpnProtocol).toBe(alpn?.[0] ?? false)
    expect(socket.getPeerCertificate().raw).toEqual(relay.credentials.chain[0])
    expect(await spoken(relay, socket)).toBe(HTTP)
  })

  it('a WebSocket port accepts the TLS parameters of SMP and the certificates of services', async () => {
    const relay = await relayWith({ web: { on: 'own port' } })
    const service = makeCredentials()
    const tls = {
      cert: service.certPem,
      key: service.keyPem,
      ciphers: 'TLS_CHACHA20_POLY1305_SHA256',
      sigalgs: 'ed448:ed25519',
      ecdhCurve: 'X448:X25519',
    }
    const webSocket = { alpn: ['smp/1'], serverName: '', tls }
    const stream = await openWebSocket({ host: '127.0.0.1', port: relay.listener.port }, { webSocket })
    const channel = await relay.channel()
    expect(channel.peerCertificates).toEqual(service.chain)
    expect(channel.sessionId).toEqual(stream.socket.getFinished())
    expect(channel.sessionId).toHaveLength(32)
    stream.close()
  })
})

describe('websocket-listener', () => {
  /** The whole answer to these bytes, up to the end of the connection. */
  async function answer(bytes: string, requestTimeoutMs?: number): Promise<string> {
    const relay = await relayWith({
      web: { on: 'shared port', ...(requestTimeoutMs !== undefined && { limits: { requestTimeoutMs } }) },
    })
    const socket = await browser(relay, ['http/1.1'], 'relay.test')
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.write(bytes)
    await closed
    await until(() => relay.listener.counts.active === 0, 'the end')
    return Buffer.concat(chunks).toString()
  }

  it.each([
    ['GET /health', '200 OK', 'ok'],
    ['GET /health?x=1', '200 OK', 'ok'],
    ['HEAD /health', '200 OK', ''],
    ['GET /', '404 Not Found', 'not found'],
    ['HEAD /', '404 Not Found', ''],
    ['GET /../../etc/passwd', '404 Not Found', 'not found'],
    ['GET //?', '404 Not Found', 'not found'],
    ['POST /health', '405 Method Not Allowed', 'method not allowed'],
    ['OPTIONS *', '405 Method Not Allowed', 'method not allowed'],
    ['DELETE /', '405 Method Not Allowed', 'method not allowed'],
  ])('an HTTP request %s is answered with %s, and the connection ends', async (request, status, text) => {
    const response = await answer(`${request} HTTP/1.1\r\nHost: a\r\n\r\n`)
    const [head = '', body] = response.split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status}\r\nContent-Type: text/plain`))
    expect(head).toMatch(/^Connection: close$/m)
    expect(body).toBe(text)
  })

  it.each([
    ['no HTTP', '\x16\x03\x01garbage\r\n\r\n', /^HTTP\/1.1 400 /],
    ['headers of more than 8 KiB', `GET / HTTP/1.1\r\nA: ${'a'.repeat(9000)}\r\n\r\n`, /^HTTP\/1.1 431 /],
    ['two lengths', 'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', /^HTTP\/1.1 400 /],
    ['a proxy request', 'CONNECT a.example:25 HTTP/1.1\r\nHost: a.example\r\n\r\n', /^$/],
    ['another upgrade', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n', /^HTTP\/1.1 400 /],
    [
      'a WebSocket without a key',
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n',
      /^HTTP\/1.1 400 /,
    ],
    [
      'a WebSocket by POST',
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      /^HTTP\/1.1 405 /,
    ],
  ])('an HTTP request that is %s is refused and the connection ends', async (_, bytes, expected) => {
    expect(await answer(bytes)).toMatch(expected)
  })

  it('of many pipelined HTTP requests only the first is answered', async () => {
    const response = await answer('GET /health HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(200))
    expect(response.match(/HTTP\/1\.1/g)).toHaveLength(1)
  })

  it.each([
    ['never come', ''],
    ['never end', 'GET / HTTP/1.1\r\nHost: a\r\n'],
  ])('an HTTP client that %s is disconnected after the timeout', async (_, bytes) => {
    const start = performance.now()
    expect(await answer(bytes, 300)).not.toContain('200')
    expect(performance.now() - start).toBeLessThan(2000)
  })

  it('the request timeout does not apply to WebSockets', async () => {
    const relay = await relayWith({ web: { on: 'shared port', limits: { requestTimeoutMs: 100 } } })
    const stream = await openWebSocket({ host: '127.0.0.1', port: relay.listener.port })
    const silent = await browser(relay, ['http/1.1'], 'relay.test')
    await new Promise((resolve) => silent.resume().on('close', resolve))
    expect(stream.open).toBe(true)
    stream.close()
  })
})

describe('websocket-listener', () => {
  const bytes = Buffer.alloc(32, 0xfe)
  const text = bytes.toString('base64url')

  it.each([[`/?challenge=${text}`], [`/smp?a=b&challenge=${text}`], [`//x?challenge=${text}&b`]])(
    'a challenge is found in %s',
    (url) => {
      expect(challengeIn(url)).toEqual(bytes)
    },
  )

  it.each([
    ['/'],
    [''],
    ['/?challenge'],
    ['/?challenge='],
    [`/?challenge=${text}=`],
    [`/?challenge=${text.slice(1)}`],
    [`/?challenge=${text}A`],
    [`/?challenge=${'+'.repeat(43)}`],
    [`/?challenge=${'/'.repeat(43)}`],
    [`/?challenge=${'é'.repeat(43)}`],
    [`/?Challenge=${text}`],
    ['/?challenge=%'],
  ])('no challenge is found in %s', (url) => {
    expect(challengeIn(url)).toBeUndefined()
  })
})
