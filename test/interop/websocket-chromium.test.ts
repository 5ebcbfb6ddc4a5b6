import { randomBytes } from 'node:crypto'
import { afterEach, expect, it } from 'vitest'
import { silentLogger } from '../../src/config/log.ts'
import { WebCertificate } from '../../src/transport/web-certificate.ts'
import { SmpClient } from '../client/client.ts'
import { shakeHands } from '../client/connection.ts'
import { makeWebCertificate } from '../client/web-certificate.ts'
import { ok, pong } from '../conformance/setting.ts'
import { withTunedRelay } from '../conformance/tuned.ts'
import { Chromium, noChromium, PageWebSocket } from './chromium.ts'

let web: WebCertificate | undefined
const relay = withTunedRelay({ optionsAtStart: () => (web ? { web: { port: 0, certificate: web } } : {}) })
let browser: Chromium | undefined

afterEach(async () => {
  await browser?.close()
  browser = undefined
})

it.each(['rsa4096', 'p256'] as const)(
  'a page in Chromium proves the relay and speaks SMP with it, with a web certificate of %s',
  async (kind) => {
    const files = await makeWebCertificate(kind)
    web = new WebCertificate(files, silentLogger)
    await relay.restart()
    browser = await Chromium.start([files.pem])
    const { port } = relay.address
    const page = await browser.open(`https://relay.test:${port}/health`)
    expect(await page.evaluate('document.body.innerText')).toBe('ok')

    const stream = await PageWebSocket.open(page, `wss://relay.test:${port}/`, randomBytes(32))
    const session = await shakeHands(stream, relay.address, {})
    expect(session.cipher).toBeDefined()
    expect(session.hello.proof).toHaveLength(64)
    const client = new SmpClient(session)
    expect(await client.ping()).toEqual(pong)

    const queue = await client.createQueue()
    const app = await relay.connect()
    expect(await app.send(queue, 'to the page')).toEqual(ok)
    const message = await client.receive(queue)
    expect(message).toMatchObject({ body: Buffer.from('to the page') })
    expect(await client.ack(queue, message.id)).toEqual(ok)
    await client.close()
    await expect.poll(() => relay.serving.sessions.size).toBe(1)
    await files.remove()
  },
)

it.skipIf(noChromium)(
  'a page in Chromium does not get a WebSocket with the certificate of SMP (needs Chromium, not as a snap)',
  async () => {
    web = undefined
    await relay.restart()
    browser = await Chromium.start([])
    const page = await browser.open('about:blank')
    const opening = PageWebSocket.open(page, `wss://relay.test:${relay.address.port}/`, randomBytes(32))
    await expect(opening).rejects.toThrow('the page could not open its WebSocket')
  },
)
