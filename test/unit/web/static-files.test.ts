import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readlink, realpath, rm, writeFile } from 'node:fs/promises'
import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/config/log.ts'
import { WebCertificate } from '../../../src/transport/web-certificate.ts'
import type { WebLimits } from '../../../src/transport/web-server.ts'
import { staticFiles } from '../../../src/web/static-files.ts'
import { makeWebCertificate, type TestWebCertificate } from '../../client/web-certificate.ts'
import { loopback, until, type Loopback } from '../transport/loopback.ts'

const LARGE = 3 * 1024 * 1024

let root: string
let certificate: TestWebCertificate
const open: Loopback[] = []

beforeAll(async () => {
  certificate = await makeWebCertificate()
  root = await realpath(await mkdtemp(join(tmpdir(), 'smp-static-files-')))
  await writeFile(join(root, 'index.html'), 'x'.repeat(20_000))
  await writeFile(join(root, 'large.bin'), randomBytes(LARGE))
})
afterEach(async () => {
  for (const relay of open.splice(0)) await relay.close()
})
afterAll(async () => {
  await certificate.remove()
  await rm(root, { recursive: true })
})

async function serveSite(limits?: Partial<WebLimits>): Promise<Loopback> {
  const site = staticFiles({ root, log: silentLogger })
  const web = { on: 'shared port', certificate: new WebCertificate(certificate, silentLogger), site } as const
  const relay = await loopback({ web: { ...web, ...(limits && { limits }) } })
  open.push(relay)
  return relay
}

function connect({ listener }: Loopback, initialWindowSize?: number): ClientHttp2Session {
  const session = connectHttp2(`https://relay.test:${listener.port}`, {
    ...(initialWindowSize !== undefined && { settings: { initialWindowSize } }),
    createConnection: () =>
      connectTls({
        host: '127.0.0.1',
        port: listener.port,
        servername: 'relay.test',
        ALPNProtocols: ['h2'],
        ca: certificate.pem,
      }),
  })
  return session.on('error', () => undefined)
}

function request(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  return session.request({ ':path': path }).on('error', () => undefined)
}

function responded(stream: ClientHttp2Stream): Promise<number> {
  return new Promise((resolve) => stream.once('response', (headers) => resolve(Number(headers[':status']))))
}

/** How many files of the site this process has open. */
async function openFiles(): Promise<number> {
  const descriptors = await readdir('/proc/self/fd')
  const paths = await Promise.all(descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return paths.filter((path) => path.startsWith(root)).length
}

async function untilNoneIsOpen(): Promise<void> {
  await expect.poll(openFiles, { timeout: 5000 }).toBe(0)
}

describe('static-files', () => {
  it.each(['/index.html', '/large.bin'])(
    'no file stays open after a client resets its streams at once (%s)',
    async (path) => {
      const relay = await serveSite()
      const session = connect(relay)
      for (let round = 0; round < 3; round++) {
        const streams = Array.from({ length: 30 }, () => request(session, path))
        await new Promise(setImmediate)
        for (const stream of streams) stream.close(8)
        await Promise.all(streams.map((stream) => new Promise((resolve) => stream.once('close', resolve))))
      }
      expect(await responded(request(session, '/'))).toBe(200)
      session.destroy()
      await until(() => relay.listener.counts.active === 0, 'the end of the connection')
      await untilNoneIsOpen()
    },
  )

  it('a small file is not open while a client does not read it', async () => {
    const session = connect(await serveSite(), 0)
    await Promise.all(Array.from({ length: 20 }, () => responded(request(session, '/index.html'))))
    expect(await openFiles()).toBe(0)
    session.destroy()
  })

  it('only 16 clients at a time read large files, and the next gets 503', async () => {
    const relay = await serveSite()
    const session = connect(relay, 0)
    const statuses = await Promise.all(Array.from({ length: 20 }, () => responded(request(session, '/large.bin'))))
    expect(statuses.toSorted()).toEqual([...Array<number>(16).fill(200), ...Array<number>(4).fill(503)])
    expect(await openFiles()).toBe(16)
    session.destroy()
    await untilNoneIsOpen()
    const later = connect(relay)
    expect(await responded(request(later, '/large.bin'))).toBe(200)
    later.destroy()
  })

  it('a response that is not read in time is ended, although the client sends PING', async () => {
    const relay = await serveSite({ requestTimeoutMs: 60_000, responseTimeoutMs: 300 })
    const session = connect(relay, 0)
    const stream = request(session, '/large.bin')
    expect(await responded(stream)).toBe(200)
    const pings = setInterval(() => session.ping(() => undefined), 50)
    await new Promise((resolve) => stream.once('close', resolve))
    clearInterval(pings)
    await untilNoneIsOpen()
    expect(session.closed).toBe(false)
    session.destroy()
  })

  it('a session ends after its time, although the client sends PING', async () => {
    const relay = await serveSite({ requestTimeoutMs: 60_000, sessionTimeoutMs: 300 })
    const session = connect(relay, 0)
    await responded(request(session, '/index.html'))
    const pings = setInterval(() => {
      if (!session.destroyed) session.ping(() => undefined)
    }, 50)
    await new Promise((resolve) => session.once('close', resolve))
    clearInterval(pings)
    await until(() => relay.listener.counts.active === 0, 'the end of the connection')
  })

  it('a further connection closes the oldest one', async () => {
    const relay = await serveSite({ maxConnections: 2 })
    const first = connect(relay)
    const ended = new Promise((resolve) => first.once('close', resolve))
    await responded(request(first, '/'))
    const others = [connect(relay), connect(relay)]
    for (const other of others) expect(await responded(request(other, '/'))).toBe(200)
    await ended
    for (const other of others) other.destroy()
  })
})
