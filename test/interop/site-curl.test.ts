import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { setIniValue } from '../../src/config/ini.ts'
import { makeWebCertificate, type TestWebCertificate } from '../client/web-certificate.ts'
import { buildProgram, freePort, Installation, type RunningCommand } from './cli-process.ts'

// The site of the program as operators run it, for an HTTP client of another make, curl's.

let relay: Installation
let certificate: TestWebCertificate
let running: RunningCommand
const ports = { shared: 0, own: 0, http: 0 }

const onion = 'elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad.onion'
const www = (name: string): string => join(relay.state, 'www', name)

function setIni(at: Installation, section: string, key: string, value: string): void {
  writeFileSync(at.ini, setIniValue(readFileSync(at.ini, 'utf8'), section, key, value))
}

/** A relay with a site on these ports, not started. */
function initialize(port: number, https: number, http: number): Installation {
  const made = new Installation()
  made.run(['init', '-y', '-n', `a.example,${onion}`, '--no-password'])
  setIni(made, 'TRANSPORT', 'port', String(port))
  setIni(made, 'TRANSPORT', 'listen_host', '127.0.0.1')
  setIni(made, 'WEB', 'https', String(https))
  setIni(made, 'WEB', 'http', String(http))
  return made
}

function putCertificate(at: Installation): void {
  copyFileSync(certificate.certificate, join(at.config, 'web.crt'))
  copyFileSync(certificate.key, join(at.config, 'web.key'))
}

beforeAll(async () => {
  await buildProgram()
  certificate = await makeWebCertificate()
  ports.shared = await freePort()
  ports.http = await freePort()
  relay = initialize(ports.shared, ports.shared, ports.http)
  putCertificate(relay)
  running = relay.start(['start'])
  await running.shows(/Listening on port/)
  mkdirSync(www('own/.hidden'), { recursive: true })
  mkdirSync(www('empty'))
  writeFileSync(www('own/data.bin'), '0123456789')
  writeFileSync(www('own/.hidden/x'), 'hidden')
  symlinkSync(join(relay.config, 'server.key'), www('own/key'))
  symlinkSync(relay.config, www('etc'))
  symlinkSync('own/data.bin', www('inside'))
})
afterAll(async () => {
  await relay.remove()
  await certificate.remove()
})

interface Answer {
  readonly version: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** What curl got; an empty version when there was no answer. */
async function curl(url: string, ...args: string[]): Promise<Answer> {
  const trust = ['--cacert', certificate.certificate]
  const names = [ports.shared, ports.own].flatMap((port) => ['--resolve', `relay.test:${port}:127.0.0.1`])
  const fixed = ['-q', '-s', '-i', '--path-as-is', '--noproxy', '*', '--max-time', '20', ...trust, ...names]
  const output = await new Promise<Buffer>((resolve, reject) =>
    execFile('curl', [...fixed, ...args, url], { encoding: 'buffer' }, (error, stdout) => {
      if (error?.code === 'ENOENT') reject(new Error('curl is missing: install it as root, on Debian with apt-get'))
      else resolve(stdout)
    }),
  )
  const end = output.indexOf('\r\n\r\n')
  const [first = '', ...lines] = output.subarray(0, Math.max(0, end)).toString('latin1').split('\r\n')
  const [, version = '', status = ''] = /^HTTP\/(\S+) (\d+)/.exec(first) ?? []
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  return { version, status: Number(status), headers: Object.fromEntries(headers), body: output.subarray(end + 4) }
}

const https = (path: string, ...args: string[]): Promise<Answer> =>
  curl(`https://relay.test:${ports.shared}${path}`, ...args)
const http = (path: string, ...args: string[]): Promise<Answer> =>
  curl(`http://127.0.0.1:${ports.http}${path}`, ...args)

describe.each([
  ['HTTP/2 over TLS', '2', (path: string, ...args: string[]) => https(path, '--http2', ...args)],
  ['HTTP/1.1 over TLS', '1.1', (path: string, ...args: string[]) => https(path, '--http1.1', ...args)],
  ['plain HTTP', '1.1', http],
])('the web site over %s', (_, version, get) => {
  it('the server page is sent byte for byte with its security headers', async () => {
    const { headers, body, ...answer } = await get('/')
    expect(answer).toEqual({ version, status: 200 })
    expect(body).toEqual(readFileSync(www('index.html')))
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(body.length),
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'onion-location': `http://${onion}`,
    })
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/,
    )
    expect(headers).not.toHaveProperty('strict-transport-security')
  })

  it.each([
    ['/contact', 'contact/index.html', 'text/html; charset=utf-8'],
    ['/contact/', 'contact/index.html', 'text/html; charset=utf-8'],
    ['/i?x', 'i/index.html', 'text/html; charset=utf-8'],
    ['/media/site.css', 'media/site.css', 'text/css; charset=utf-8'],
    ['/media/links.js', 'media/links.js', 'application/javascript; charset=utf-8'],
    ['/media/icon.svg', 'media/icon.svg', 'image/svg+xml'],
    ['/favicon.ico', 'favicon.ico', 'image/vnd.microsoft.icon'],
    ['/robots.txt', 'robots.txt', 'text/plain; charset=utf-8'],
    ['/.well-known/assetlinks.json', 'well-known/assetlinks.json', 'application/json; charset=utf-8'],
    ['/.well-known/apple-app-site-association', 'well-known/apple-app-site-association', 'application/json'],
    ['/well-known/assetlinks.json', 'well-known/assetlinks.json', 'application/json; charset=utf-8'],
    ['/own/data.bin', 'own/data.bin', 'application/octet-stream'],
    ['/inside', 'own/data.bin', 'application/octet-stream'],
  ])('%s is answered with %s as %s', async (path, file, type) => {
    const { status, headers, body } = await get(path)
    expect([status, headers['content-type']]).toEqual([200, type])
    expect(body).toEqual(readFileSync(www(file)))
    expect(headers).not.toHaveProperty('onion-location')
  })

  it.each([
    ['/nothing', 404],
    ['/own/data.bin/x', 404],
    ['/media', 403],
    ['/empty/', 403],
    ['/own/.hidden/x', 403],
    ['/../etc/smp-server.ini', 403],
    ['/media/../../../etc/passwd', 403],
    ['/%2e%2e/etc/smp-server.ini', 403],
    ['/..%2fetc/smp-server.ini', 400],
    ['/media/..%5c..%5cx', 400],
    ['/own%00', 400],
    ['/%zz', 400],
    ['/own/key', 404],
    ['/etc/ca.key', 404],
    ['/etc', 404],
  ])('%s is refused with %d and a line of text', async (path, status) => {
    const answer = await get(path)
    expect([answer.status, answer.headers['content-type']]).toEqual([status, 'text/plain; charset=utf-8'])
    expect(answer.body.toString()).toMatch(/^[A-Z][\w ]+$/)
  })

  it('a browser gets a page for an unknown path, and still the status 404', async () => {
    const { status, headers, body } = await get('/nothing', '-H', 'Accept: text/html,*/*;q=0.8')
    expect(status).toBe(404)
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(headers).toHaveProperty('content-security-policy')
    expect(body.toString()).toContain('<h1>Page not found</h1>')
  })

  it('only GET and HEAD are allowed', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const { status, headers } = await get('/', '-X', method)
      expect([status, headers.allow]).toEqual([405, 'GET, HEAD'])
    }
    const { status, headers, body } = await get('/', '-I')
    expect([status, headers['content-length'], body.length]).toEqual([
      200,
      String(readFileSync(www('index.html')).length),
      0,
    ])
    expect((await get('/health')).body.toString()).toBe('ok')
  })

  it('text is compressed for clients that accept gzip', async () => {
    for (const path of ['index.html', 'media/uqr.js', 'media/icon.svg', 'well-known/apple-app-site-association']) {
      const { headers, body } = await get(`/${path}`, '-H', 'Accept-Encoding: br, gzip')
      expect(headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' })
      expect(gunzipSync(body)).toEqual(readFileSync(www(path)))
    }
    const { headers } = await get('/own/data.bin', '-H', 'Accept-Encoding: gzip')
    expect(headers).not.toHaveProperty('content-encoding')
  })

  it('an unchanged file is not sent again', async () => {
    const { headers } = await get('/media/site.css')
    for (const condition of [`If-Modified-Since: ${headers['last-modified']}`, `If-None-Match: ${headers.etag}`]) {
      const { status, body } = await get('/media/site.css', '-H', condition, '-H', 'Accept-Encoding: gzip')
      expect([status, body.length]).toEqual([304, 0])
    }
    const { status } = await get('/media/site.css', '-H', 'If-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT')
    expect(status).toBe(200)
  })

  it('ranges of a file can be requested', async () => {
    const part = await get('/own/data.bin', '-H', 'Range: bytes=2-4')
    expect([part.status, part.headers['content-range'], part.body.toString()]).toEqual([206, 'bytes 2-4/10', '234'])
    const text = await get('/media/site.css', '-H', 'Range: bytes=0-9', '-H', 'Accept-Encoding: gzip')
    expect([text.status, text.body]).toEqual([206, readFileSync(www('media/site.css')).subarray(0, 10)])
    const beyond = await get('/own/data.bin', '-H', 'Range: bytes=20-')
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, 'bytes */10'])
  })
})

it('start prints and logs where the site is served', () => {
  const { stdout, stderr } = running.output
  expect(stdout).toContain(
    `Serving SMP protocol on port ${ports.shared} (TLS)...\nServing static site on port ${ports.shared} (TLS)...\n`,
  )
  expect(stderr).toContain(`Generated static site contents at "${join(relay.state, 'www')}"`)
  expect(stderr).toMatch(new RegExp(`Serving static site on port ${ports.http}$`, 'm'))
})

describe('site-curl', () => {
  let other: Installation
  let started: RunningCommand
  afterEach(() => other.remove())
  const begin = async (): Promise<void> => {
    started = other.start(['start'])
    await started.shows(/Listening on port/)
  }

  it('a site with a port of its own is served as soon as its certificate exists', async () => {
    ports.own = await freePort()
    other = initialize(await freePort(), ports.own, await freePort())
    await begin()
    expect(started.output.stderr).toContain(`Serving static site on port ${ports.own} (TLS)`)
    expect((await curl(`https://relay.test:${ports.own}/`)).version).toBe('')
    expect((await curl(`https://relay.test:${ports.own}/`, '-k')).status).toBe(200)
    await other.remove()

    other = initialize(await freePort(), ports.own, await freePort())
    putCertificate(other)
    await begin()
    const { version, body } = await curl(`https://relay.test:${ports.own}/`)
    expect([version, body]).toEqual(['2', readFileSync(join(other.state, 'www/index.html'))])
  })

  it('the relay starts although the ports of its site are in use, and the log says what to do', async () => {
    const [port, own, plain] = [await freePort(), await freePort(), await freePort()]
    const holders = [own, plain].map((taken) => createServer().listen(taken, '127.0.0.1'))
    other = initialize(port, own, plain)
    await begin()
    for (const holder of holders) holder.close()
    for (const [taken, key] of [
      [own, 'https'],
      [plain, 'http'],
    ] as const) {
      expect(started.output.stderr).toMatch(
        new RegExp(`WARN .*not listening on port ${taken}: .*in use .*choose another .${key}. in section \\[WEB\\]`),
      )
    }
    expect((await curl(`https://127.0.0.1:${port}/health`, '-k')).version).toBe('')
  })

  it('a site with a port of its own is off without a directory or when it cannot be generated, and SMP still works', async () => {
    for (const [path, line] of [
      ['', /WARN .*No server static path set/],
      ['/dev/null/www', /WARN .*Cannot generate the site in \/dev\/null\/www/],
    ] as const) {
      const [port, plain] = [await freePort(), await freePort()]
      other = initialize(port, port, plain)
      setIni(other, 'WEB', 'static_path', path)
      await begin()
      expect(started.output.stderr).toMatch(line)
      expect(started.output.stdout).toContain(`Serving SMP protocol on port ${port} (TLS)...`)
      expect(started.output.stdout).not.toContain('static site')
      expect((await curl(`http://127.0.0.1:${plain}/`)).version).toBe('')
      await other.remove()
    }
  })
})
