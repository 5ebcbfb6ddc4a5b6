import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode } from 'uqr'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/config/log.ts'
import { resolvePaths } from '../../src/config/paths.ts'
import { readSettings } from '../../src/config/read-settings.ts'
import { generateIni } from '../../src/config/template.ts'
import { loadCredentials } from '../../src/transport/credentials.ts'
import { listenHttp, type HttpListener } from '../../src/transport/http-listener.ts'
import { listen, type Listener } from '../../src/transport/listener.ts'
import { WebCertificate } from '../../src/transport/web-certificate.ts'
import { answerWith, type RequestHandler } from '../../src/transport/web-requests.ts'
import { prepareSite } from '../../src/web/prepare-site.ts'
import { makeWebCertificate, type TestWebCertificate } from '../client/web-certificate.ts'
import { writeCredentials } from '../conformance/credentials.ts'
import { Chromium, noChromium, type Page } from './chromium.ts'

// The site in a real browser, under its policy, over HTTP/2 and over plain HTTP.

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const ADDRESS = `smp://${'f'.repeat(43)}=@relay.test`
let directory: string
let certificate: TestWebCertificate
let listener: Listener
let http: HttpListener
let browser: Chromium
let page: Page
let complaints: readonly string[]
/** Every word of every request that came. */
let requests: string[]

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-site-chromium-'))
  const paths = resolvePaths({ SMP_SERVER_CFG_PATH: join(directory, 'etc'), SMP_SERVER_LOG_PATH: directory })
  const ini = generateIni({ paths, storeLog: true, dailyStats: false, web: true, host: 'relay.test' })
  const { settings } = readSettings(ini, 'smp-server.ini')
  const build = { version: '1', commit: '' }
  const www = join(directory, 'www')
  const web = { ...settings.web, staticPath: www, shareAddress: true }
  const identity = { fingerprint: `${'f'.repeat(43)}=`, address: ADDRESS }
  const options = { settings: { ...settings, web }, paths: resolvePaths({}), build, identity, log: silentLogger }
  const files = await prepareSite(options)
  if (!files) throw new Error('no site')
  const site: RequestHandler = (request, response, gone) => {
    requests.push(`${request.url} ${JSON.stringify(request.headers)}`)
    files(request, response, gone)
  }
  certificate = await makeWebCertificate()
  await writeCredentials(directory)
  listener = await listen({
    host: '127.0.0.1',
    port: 0,
    credentials: await loadCredentials(directory),
    onChannel: () => undefined,
    web: { on: 'shared port', certificate: new WebCertificate(certificate, silentLogger), site },
  })
  http = await listenHttp({ host: '127.0.0.1', port: 0, respond: answerWith(site) })
  browser = await Chromium.start([certificate.pem])
})
afterAll(async () => {
  await browser.close()
  await http.close()
  await listener.close()
  await certificate.remove()
  await rm(directory, { recursive: true })
})
beforeEach(async () => {
  requests = []
  page = await browser.open('about:blank')
  complaints = await page.complaints()
})

const text = (id: string): Promise<unknown> => page.evaluate(`document.getElementById('${id}').innerText`)
const visible = (selector: string): Promise<unknown> =>
  page.evaluate(`document.querySelector('${selector}').checkVisibility()`)

/** The QR code on the page, a character for each pixel. */
const drawnCode = (): Promise<unknown> =>
  page.evaluate(`(() => {
    const canvas = document.querySelector('canvas.conn_req_uri_qrcode')
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    const dark = Array.from({ length: data.length / 4 }, (_, at) => (data[at * 4] < 128 ? 1 : 0)).join('')
    return { width: canvas.width, height: canvas.height, dark }
  })()`)

/** The same from the link itself. */
function expectedCode(link: string): { width: number; height: number; dark: string } {
  const { size, data } = encode(link, { ecc: 'M', border: 4 })
  const scale = Math.floor(960 / size)
  const pixels = (row: readonly boolean[]): string => row.map((isDark) => (isDark ? '1' : '0').repeat(scale)).join('')
  return { width: size * scale, height: size * scale, dark: data.map((row) => pixels(row).repeat(scale)).join('') }
}

const FULL = '/?v=2-7&smp=smp%3A%2F%2FZKe4%40a.example%2FuE3hiE1E%23%2F%3Fv%3D1-2%26dh%3DMCow&e2e=v%3D2-3%26x3dh%3DMEIw'
const SHORT = 'lrdvu2d8A1GumSmoKb2krQmtKhWXq-tyGpHuM7aMwsw'

describe.skipIf(noChromium)('site-chromium (needs Chromium, not as a snap)', () => {
  it.each([
    ['contact', FULL, FULL],
    ['invitation', FULL, FULL],
    ['a', SHORT, `${SHORT}?h=relay.test`],
    ['c', `${SHORT}?p=5223`, `${SHORT}?p=5223&h=relay.test`],
    ['g', `${SHORT}?h=x.onion`, `${SHORT}?h=relay.test,x.onion`],
    ['r', SHORT, `${SHORT}?h=relay.test`],
    ['i', `id/${SHORT}`, `id/${SHORT}?h=relay.test`],
  ])(
    'the link page /%s shows the part after the # sign and does not send it to the server',
    async (type, fragment, inApp) => {
      const host = `relay.test:${listener.port}`
      await page.load(`https://${host}/${type}#${fragment}`)
      const link = `https://${host}/${type}#${fragment}`
      await expect.poll(() => text('conn_req_uri_text')).toBe(`/c ${link}`)
      expect(await page.evaluate(`document.getElementById('mobile_conn_req_uri').getAttribute('href')`)).toBe(
        `simplex:/${type}#${inApp}`,
      )
      expect(await drawnCode()).toEqual(expectedCode(link))
      expect(await visible('#link_copy')).toBe(true)
      expect(await visible('.notice')).toBe(false)
      expect(requests.map((request) => request.split(' ')[0])).toEqual(
        expect.arrayContaining([`/${type}`, '/media/link-page.js', '/media/links.js', '/media/uqr.js']),
      )
      for (const request of requests) expect(request).not.toMatch(/ZKe4|lrdvu2d8|#|%23/)
      expect(complaints).toEqual([])
    },
  )

  it('the link page works over plain HTTP, as under an onion address', async () => {
    await page.load(`http://relay.test:${http.port}/a/#${SHORT}`)
    await expect.poll(() => text('conn_req_uri_text')).toBe(`/c https://relay.test:${http.port}/a#${SHORT}`)
    expect(complaints).toEqual([])
  })

  it('the link page follows another link in the same tab', async () => {
    await page.load(`https://relay.test:${listener.port}/a#${SHORT}`)
    await page.evaluate(`location.hash = 'another'`)
    await expect.poll(() => text('conn_req_uri_text')).toBe(`/c https://relay.test:${listener.port}/a#another`)
  })

  it('the link page reports a missing fragment and shows neither code nor button', async () => {
    await page.load(`https://relay.test:${listener.port}/a`)
    await expect.poll(() => visible('#link_incomplete')).toBe(true)
    expect(await visible('#link_parts')).toBe(false)
    expect(complaints).toEqual([])
  })

  it('the link page says that a link is too long for a QR code and still shows the button', async () => {
    await page.load(`https://relay.test:${listener.port}/contact#/?${'x'.repeat(3000)}`)
    await expect.poll(() => visible('#link_too_long')).toBe(true)
    expect(await visible('#mobile_conn_req_uri')).toBe(true)
  })

  it('the link page treats nothing in a link as HTML', async () => {
    await page.load(`https://relay.test:${listener.port}/a#<img src=x onerror=alert(1)>"'`)
    await expect.poll(() => visible('#link_parts')).toBe(true)
    expect(await page.evaluate(`document.querySelectorAll('img').length`)).toBe(0)
    expect(complaints).toEqual([])
  })

  it('the link page explains what to do when JavaScript is off', async () => {
    await page.withoutScripts()
    await page.load(`https://relay.test:${listener.port}/a#${SHORT}`)
    expect(requests.some((request) => request.startsWith('/media/site.css'))).toBe(true)
    expect(requests.some((request) => request.startsWith('/media/link-page.js'))).toBe(false)
  })
})

describe.skipIf(noChromium)('site-chromium (needs Chromium, not as a snap)', () => {
  it('the server page comes over HTTP/2, in the style of the site, at 360 pixels without a scroll bar', async () => {
    await page.load(`https://relay.test:${listener.port}/`)
    expect(await page.evaluate(`performance.getEntriesByType('navigation')[0].nextHopProtocol`)).toBe('h2')
    expect(await page.evaluate(`getComputedStyle(document.querySelector('main')).maxWidth`)).toBe('736px')
    await page.resize(360, 800)
    expect(await page.evaluate(`document.documentElement.scrollWidth`)).toBe(360)
    expect(complaints).toEqual([])
  })

  it('the QR code of the address on the server page is what an app would scan', async () => {
    await page.load(`https://relay.test:${listener.port}/`)
    const { size, data } = encode(ADDRESS, { ecc: 'M', border: 4 })
    const drawn = await page.evaluate(`(() => {
      const path = document.querySelector('.code svg path')
      const dark = (x, y) => path.isPointInFill(new DOMPoint(x + 0.5, y + 0.5))
      return Array.from({ length: ${size} }, (_, y) => Array.from({ length: ${size} }, (_, x) => dark(x, y)))
    })()`)
    expect(drawn).toEqual(data)
    expect(await page.evaluate(`document.querySelector('.address code').textContent`)).toBe(ADDRESS)
  })

  it.each([
    ['/', 'light'],
    ['/', 'dark'],
    [`/a#${SHORT}`, 'light'],
    [`/a#${SHORT}`, 'dark'],
    ['/404.html', 'light'],
  ] as const)('axe-core finds nothing wrong with %s (%s)', async (path, scheme) => {
    await page.colourScheme(scheme)
    await page.load(`https://relay.test:${listener.port}${path}`)
    await page.evaluate(axe)
    const found = `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes[0].html))`
    expect(await page.evaluate(found)).toEqual([])
  })

  it('the content security policy stops a script that was injected into the server page', async () => {
    await page.load(`https://relay.test:${listener.port}/`)
    const ran = `new Promise((resolve) => {
      const script = document.createElement('script')
      script.textContent = 'window.ran = true'
      document.body.append(script)
      setTimeout(() => resolve(window.ran === true), 50)
    })`
    expect(await page.evaluate(ran)).toBe(false)
    expect(complaints.length).toBeGreaterThan(0)
    for (const complaint of complaints) expect(complaint).toContain('Content Security Policy')
  })
})

it('a page gets its WebSocket from a server with which the browser speaks HTTP/2', async () => {
  const address = `relay.test:${listener.port}`
  await page.load(`https://${address}/`)
  // Not under the policy of the site.
  await page.load(`https://${address}/health`)
  const opened = `new Promise((resolve) => {
    const webSocket = new WebSocket('wss://${address}/')
    webSocket.onopen = () => resolve('open')
    webSocket.onerror = () => resolve('error')
  })`
  expect(await page.evaluate(opened)).toBe('open')
})
