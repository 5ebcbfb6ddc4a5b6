import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/config/log.ts'
import { listenHttp } from '../../../src/transport/http-listener.ts'
import type { WebOptions } from '../../../src/transport/listener.ts'
import { WebCertificate } from '../../../src/transport/web-certificate.ts'
import { answerWith, textAnswer, type RequestHandler } from '../../../src/transport/web-requests.ts'
import { makeWebCertificate, type TestWebCertificate } from '../../client/web-certificate.ts'
import { openWebSocket } from '../../client/websocket.ts'
import { loopback, until, type Loopback } from './loopback.ts'

let web: TestWebCertificate
beforeAll(async () => {
  web = await makeWebCertificate()
})
afterAll(() => web.remove())

const open: Loopback[] = []
afterEach(async () => {
  for (const relay of open.splice(0)) await relay.close()
})

/** Answers with the path; /never is not answered. */
const site: RequestHandler = ({ url = '' }, response) => {
  if (url !== '/never') textAnswer(response, 200, `at ${url}`)
}

async function relayWith(on: WebOptions['on'], requestTimeoutMs?: number): Promise<Loopback> {
  const certificate = new WebCertificate(web, silentLogger)
  const timeout = requestTimeoutMs === undefined ? {} : { limits: { requestTimeoutMs } }
  const relay = await loopback({ web: { on, certificate, site, ...timeout } })
  open.push(relay)
  return relay
}

function session(relay: Loopback): ClientHttp2Session {
  const created = connectHttp2(`https://relay.test:${relay.listener.port}`, {
    createConnection: () =>
      connectTls({
        host: '127.0.0.1',
        port: relay.listener.port,
        servername: 'relay.test',
        ALPNProtocols: ['h2'],
        ca: web.pem,
      }),
  })
  return created.on('error', () => undefined)
}

/** Status and text; undefined when the stream ended without an answer. */
function get(client: ClientHttp2Session, path: string, method = 'GET'): Promise<[unknown, string] | undefined> {
  return new Promise((resolve) => {
    const stream = client.request({ ':path': path, ':method': method })
    let status: unknown
    let text = ''
    stream.setEncoding('utf8')
    stream.on('response', ({ ':status': code }) => (status = code))
    stream.on('data', (chunk: string) => (text += chunk))
    stream.on('error', () => undefined)
    stream.on('close', () => resolve(status === undefined ? undefined : [status, text]))
    stream.end()
  })
}

const closed = (client: ClientHttp2Session): Promise<void> =>
  new Promise((resolve) => void client.once('close', () => resolve()))

describe.each(['shared port', 'own port'] as const)('the site on a %s', (on) => {
  it('answers many requests of one connection over HTTP/2', async () => {
    const relay = await relayWith(on)
    const client = session(relay)
    const paths = Array.from({ length: 20 }, (_, index) => `/page/${index}`)
    const answers = await Promise.all(paths.map((path) => get(client, path)))
    expect(answers).toEqual(paths.map((path) => [200, `at ${path}`]))
    expect(await get(client, '/health')).toEqual([200, 'ok'])
    expect(await get(client, '/', 'POST')).toEqual([405, 'method not allowed'])
    expect(relay.listener.counts.accepted).toBe(1)
    client.destroy()
  })

  it('takes WebSockets beside it', async () => {
    const relay = await relayWith(on)
    const stream = await openWebSocket({ host: '127.0.0.1', port: relay.listener.port })
    const channel = await relay.channel()
    expect(channel.sessionId).toEqual(stream.socket.getFinished())
    stream.close()
  })

  it('closes connections of HTTP/2 on which nothing happens, before, between and within requests', async () => {
    const relay = await relayWith(on, 300)
    const [silent, idle, waiting] = [session(relay), session(relay), session(relay)]
    const ends = [silent, idle, waiting].map(closed)
    expect(await get(idle, '/a')).toEqual([200, 'at /a'])
    expect(await get(waiting, '/never')).toBeUndefined()
    await Promise.all(ends)
    await until(() => relay.listener.counts.active === 0, 'the end')
  })

  it('closes a connection of HTTP/1.1 whose answer does not come', async () => {
    const relay = await relayWith(on, 300)
    const socket = connectTls({
      host: '127.0.0.1',
      port: relay.listener.port,
      servername: 'relay.test',
      ALPNProtocols: ['http/1.1'],
      ca: web.pem,
    }).on('error', () => undefined)
    socket.write('GET /never HTTP/1.1\r\nHost: a\r\n\r\n')
    await new Promise((resolve) => socket.resume().on('close', resolve))
    await until(() => relay.listener.counts.active === 0, 'the end')
  })

  it.each([
    ['431', `GET / HTTP/1.1\r\nA: ${'a'.repeat(9000)}\r\n\r\n`],
    ['200', 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(50)],
  ])('keeps to the limits of HTTP/1.1 (%s)', async (status, bytes) => {
    const relay = await relayWith(on)
    const socket = connectTls({
      host: '127.0.0.1',
      port: relay.listener.port,
      servername: 'relay.test',
      ALPNProtocols: ['http/1.1'],
      ca: web.pem,
    }).on('error', () => undefined)
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).write(bytes)
    await new Promise((resolve) => socket.on('close', resolve))
    expect(
      Buffer.concat(chunks)
        .toString()
        .match(/HTTP\/1\.1 \d+/g),
    ).toEqual([`HTTP/1.1 ${status}`])
  })

  it('survives clients of HTTP/2 that reset the connection at any moment', async () => {
    const relay = await relayWith(on)
    for (let ms = 0; ms < 24; ms++) {
      const tcp = connectTcp(relay.listener.port, '127.0.0.1').on('error', () => undefined)
      const client = connectHttp2('https://relay.test', {
        createConnection: () =>
          connectTls({ socket: tcp, servername: 'relay.test', ALPNProtocols: ['h2'], ca: web.pem }),
      }).on('error', () => undefined)
      void get(client, '/x')
      await new Promise((resolve) => setTimeout(resolve, ms))
      tcp.resetAndDestroy()
      client.destroy()
    }
    await until(() => relay.listener.counts.active === 0, 'the end of all')
    const client = session(relay)
    expect(await get(client, '/x')).toEqual([200, 'at /x'])
    client.destroy()
  })

  it('ends its connections when the relay stops', async () => {
    const relay = await relayWith(on)
    const client = session(relay)
    await get(client, '/x')
    await relay.listener.close()
    await closed(client)
    await until(() => relay.listener.counts.active === 0, 'the end')
  })
})

describe('site-listener', () => {
  it('the plain HTTP site names the key of its port when that is in use', async () => {
    const options = { host: '127.0.0.1', port: 0, respond: site }
    const first = await listenHttp(options)
    await expect(listenHttp({ ...options, port: first.port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      remedy: expect.stringContaining('`http` in section [WEB]') as string,
    })
    await first.close()
  })

  it('the plain HTTP site ends its connections when the relay stops', async () => {
    const listener = await listenHttp({ host: '127.0.0.1', port: 0, respond: answerWith(site) })
    const response = await fetch(`http://127.0.0.1:${listener.port}/x`)
    expect(await response.text()).toBe('at /x')
    const waiting = fetch(`http://127.0.0.1:${listener.port}/never`).catch(() => 'ended')
    await new Promise((resolve) => setTimeout(resolve, 50))
    await listener.close()
    expect(await waiting).toBe('ended')
  })
})
