import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resolvePaths } from '../../src/config/paths.ts'
import { SampleFile } from '../../src/web/dashboard/sample-file.ts'
import { Chromium, type Page } from './chromium.ts'
import { buildProgram, freePort, Installation } from './cli-process.ts'

// The dashboard of the program in a browser, with samples of a year; axe-core looks for what keeps people from using it.

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let relay: Installation
let browser: Chromium
let url: string

beforeAll(async () => {
  await buildProgram()
  relay = new Installation()
  relay.run(['init', '-y', '-n', 'localhost', '--password', 'secret'])
  const [port, metricsPort] = [await freePort(), await freePort()]
  relay.set('TRANSPORT', 'port', String(port))
  relay.set('TRANSPORT', 'listen_host', '127.0.0.1')
  relay.set('STORE_LOG', 'metrics_port', String(metricsPort))
  relay.set('WEB', 'https', '')
  relay.set('WEB', 'dashboard', 'on')
  await writeSamples()
  url = `http://127.0.0.1:${metricsPort}/`
  await relay.start(['start']).shows(/Dashboard on http:\/\/127\.0\.0\.1:\d+\/\n/)
  browser = await Chromium.start([])
})
afterAll(async () => {
  await browser.close()
  await relay.remove()
})

/** Some of every time that the dashboard shows. */
async function writeSamples(): Promise<void> {
  const { dashboardSamples } = resolvePaths({ SMP_SERVER_LOG_PATH: relay.state, SMP_SERVER_CFG_PATH: relay.config })
  const file = await SampleFile.open(dashboardSamples)
  const now = Math.floor(Date.now() / 1000)
  const values = { messagesSent: 5, messagesReceived: 4, connections: 3, memory: 1e8, cpu: 1.5, onionReachable: 1 }
  for (let day = 300; day > 30; day -= 10) await file.add(now - day * 86_400, values)
  for (let hour = 24 * 29; hour > 24; hour -= 12) await file.add(now - hour * 3600, values)
  for (let minute = 600; minute >= 0; minute -= 10) await file.add(now - minute * 60, values)
  for (let minute = 30; minute >= 0; minute--) await file.add(now - minute * 60, { ...values, messagesSent: minute })
  await file.close()
}

async function open(): Promise<Page> {
  const page = await browser.open(url)
  await drawn(page)
  return page
}

async function drawn(page: Page): Promise<void> {
  await expect
    .poll(() => page.evaluate(`document.querySelectorAll('figure:not([hidden]) canvas').length`))
    .toBeGreaterThan(3)
}

async function text(page: Page, selector: string): Promise<string> {
  return String(await page.evaluate(`document.querySelector('${selector}').textContent`))
}

async function choose(page: Page, range: string): Promise<void> {
  await page.evaluate(`document.querySelector('input[value=${range}]').click()`)
}

describe('the dashboard', () => {
  it.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 360],
    ['dark', 360],
  ] as const)('axe-core finds nothing wrong with the dashboard (%s, %i pixels wide)', async (scheme, width) => {
    const page = await browser.open('about:blank')
    await page.colourScheme(scheme)
    await page.resize(width, 900)
    await page.load(url)
    await drawn(page)
    await page.evaluate(`for (const details of document.querySelectorAll('details')) details.open = true`)
    await page.evaluate(axe)
    const violations = await page.evaluate(
      `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`,
    )
    expect(violations).toEqual([])
    const overflow = await page.evaluate(`document.documentElement.scrollWidth - innerWidth`)
    expect(overflow).toBeLessThanOrEqual(0)
  })

  it('the dashboard shows how the relay is, and the address without the password', async () => {
    const page = await open()
    expect(await text(page, '#health')).toBe('Everything works')
    const facts = await text(page, '#facts')
    expect(facts).toMatch(/smp:\/\/[\w-]{43}=@localhost/)
    expect(facts).toMatch(/Last backupnone known/)
    expect(String(await page.evaluate('document.documentElement.outerHTML'))).not.toContain('secret')
  })

  it('every range of the dashboard shows its samples', async () => {
    const page = await open()
    for (const [range, note] of [
      ['day', 'a minute'],
      ['month', 'half an hour'],
      ['year', 'six hours'],
    ] as const) {
      await choose(page, range)
      await expect.poll(() => text(page, '#chart-note')).toContain(note)
      await drawn(page)
    }
  })

  it('the dashboard hides a chart without samples', async () => {
    const page = await open()
    expect(await page.evaluate(`document.querySelector('#chart-messages').hidden`)).toBe(false)
    expect(await page.evaluate(`document.querySelector('#chart-latency').hidden`)).toBe(true)
  })

  it('the arrow keys move through a chart, and its values are announced', async () => {
    const page = await open()
    await page.evaluate(`document.querySelector('#chart-messages .plot').focus()`)
    const spoken = (): Promise<unknown> =>
      page.evaluate(`document.querySelector('#chart-messages .plot').getAttribute('aria-valuetext')`)
    await page.press('Home')
    const first = String(await spoken())
    expect(first).toMatch(/: Sent \d+, Received \d+$/)
    await page.press('ArrowRight')
    await expect.poll(spoken).not.toBe(first)
    await page.press('ArrowLeft')
    await expect.poll(spoken).toBe(first)
  })

  it('Tab moves from the choice of range to the charts, each with a visible focus', async () => {
    const page = await open()
    const where: unknown[] = []
    for (let count = 0; count < 4; count++) {
      await page.press('Tab')
      where.push(await page.evaluate(`document.activeElement.name ?? document.activeElement.className`))
    }
    expect(where.slice(0, 2)).toEqual(['range', 'plot'])
    expect(await page.evaluate(`getComputedStyle(document.activeElement).outlineStyle`)).toBe('solid')
  })

  it('each chart has a table of its values', async () => {
    const page = await open()
    await page.evaluate(`document.querySelector('#chart-messages details').open = true`)
    await expect.poll(() => text(page, '#chart-messages .table')).toMatch(/TimeSentReceived/)
  })

  it('the dashboard loads nothing from other servers, and the browser has no complaints', async () => {
    const page = await browser.open('about:blank')
    const [complaints, requests] = [await page.complaints(), await page.requests()]
    await page.load(url)
    await drawn(page)
    expect(requests.length).toBeGreaterThan(5)
    expect(requests.filter((address) => !address.startsWith(url))).toEqual([])
    expect(complaints).toEqual([])
  })

  it('the dashboard is refused under the name of another site, and accepts only GET and HEAD', async () => {
    const page = await browser.open('about:blank')
    await page.load(url.replace('127.0.0.1', 'evil.example'))
    expect(await text(page, 'body')).toMatch(/answers at 127\.0\.0\.1, localhost and onion addresses only/)
    expect((await fetch(url, { method: 'POST' })).status).toBe(405)
    expect((await fetch(`${url}data/samples?range=toString`)).status).toBe(400)
  })
})
