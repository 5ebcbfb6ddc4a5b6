import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Duplex, type Readable, type Writable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { BlockSource } from '../client/blocks.ts'

interface Message {
  readonly id?: number
  readonly sessionId?: string
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: Record<string, unknown>
  readonly error?: { readonly message: string }
}

const MISSING =
  'Chromium is missing: install it as root, on Debian with: apt-get install --no-install-recommends chromium'

const directories = (process.env.PATH ?? '').split(':')
const program = ['chromium', 'google-chrome'].find((name) =>
  directories.some((path) => existsSync(join(path, name)) && basename(realpathSync(join(path, name))) !== 'snap'),
)

/** On Ubuntu Chromium is a snap, which cannot read the files of these tests: there, Google Chrome is as good, or none. */
export const noChromium = program === undefined && /^ID=ubuntu$/m.test(readFileSync('/etc/os-release', 'utf8'))

/** The SHA-256 of the certificate's key, as Chromium wants it. */
const keyFingerprint = (pem: string): string =>
  createHash('sha256')
    .update(new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64')

/** Headless Chromium, driven over its DevTools pipe. It finds nothing but this machine, under any name. */
export class Chromium {
  readonly #child: ChildProcess
  readonly #directory: string
  readonly #commands: Writable
  readonly #answers = new Map<number, (message: Message) => void>()
  readonly #listeners = new Map<string, (message: Message) => void>()
  #nextId = 1
  #partial = ''

  private constructor(child: ChildProcess, directory: string, commands: Writable, messages: Readable) {
    this.#child = child
    this.#directory = directory
    this.#commands = commands
    messages.setEncoding('utf8')
    messages.on('data', (text: string) => this.#received(text))
  }

  /** @param trusted PEM of certificates that are taken although nobody vouches for them */
  static async start(trusted: readonly string[]): Promise<Chromium> {
    const directory = await mkdtemp(join(tmpdir(), 'smp-chromium-'))
    const child = spawn(
      program ?? 'chromium',
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--disable-default-apps',
        '--host-resolver-rules=MAP * 127.0.0.1',
        `--ignore-certificate-errors-spki-list=${trusted.map(keyFingerprint).join(',')}`,
        `--user-data-dir=${directory}`,
        '--remote-debugging-pipe',
        'about:blank',
      ],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true },
    )
    await once(child, 'spawn').catch((error: unknown) => {
      throw error instanceof Error && 'code' in error && error.code === 'ENOENT' ? new Error(MISSING) : error
    })
    const [, , , commands, messages] = child.stdio
    if (!(commands instanceof Duplex) || !(messages instanceof Duplex)) throw new Error('no DevTools pipe')
    commands.on('error', () => undefined)
    return new Chromium(child, directory, commands, messages)
  }

  /** A page at this address, loaded. */
  async open(url: string): Promise<Page> {
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true })
    const page = new Page(this, String(sessionId))
    await page.load(url)
    return page
  }

  async call(method: string, params: object, sessionId?: string): Promise<Record<string, unknown>> {
    const id = this.#nextId++
    const answer = new Promise<Message>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`Chromium did not answer ${method}`)), 20_000)
      this.#answers.set(id, (message) => {
        clearTimeout(timer)
        resolve(message)
      })
    })
    this.#commands.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`)
    const { result, error } = await answer
    if (error) throw new Error(`${method}: ${error.message}`)
    return result ?? {}
  }

  /** One listener for each event of each page. */
  on(method: string, sessionId: string, listener: (params: Record<string, unknown>) => void): void {
    this.#listeners.set(`${sessionId} ${method}`, ({ params = {} }) => listener(params))
  }

  async close(): Promise<void> {
    const closed = once(this.#child, 'close')
    const { pid } = this.#child
    if (pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null) {
      // Its own process group: the browser and the processes of its pages.
      process.kill(-pid, 'SIGKILL')
      await closed
    }
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }

  #received(text: string): void {
    const messages = (this.#partial + text).split('\0')
    this.#partial = messages.pop() ?? ''
    for (const json of messages) {
      const message = JSON.parse(json) as Message
      if (message.id !== undefined) this.#answers.get(message.id)?.(message)
      else this.#listeners.get(`${message.sessionId} ${message.method}`)?.(message)
    }
  }
}

/** One page, in which scripts can be run. */
export class Page {
  readonly #browser: Chromium
  readonly #session: string

  constructor(browser: Chromium, session: string) {
    this.#browser = browser
    this.#session = session
  }

  async load(url: string): Promise<void> {
    await this.#call('Page.enable')
    const loaded = new Promise<void>((resolve) =>
      this.#browser.on('Page.loadEventFired', this.#session, () => resolve()),
    )
    const { errorText } = await this.#call('Page.navigate', { url })
    if (typeof errorText === 'string') throw new Error(`${url}: ${errorText}`)
    await loaded
  }

  /** The value of an expression, or of the promise that it is. */
  async evaluate(expression: string): Promise<unknown> {
    const options = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails } = await this.#call('Runtime.evaluate', options)
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return (result as { value?: unknown }).value
  }

  /** What the page and the browser complain about from now on: errors, warnings, and what the policy refused. */
  async complaints(): Promise<readonly string[]> {
    const complaints: string[] = []
    const note = (params: Record<string, unknown>): void => void complaints.push(JSON.stringify(params))
    this.#browser.on('Log.entryAdded', this.#session, note)
    this.#browser.on('Runtime.exceptionThrown', this.#session, note)
    this.#browser.on('Runtime.consoleAPICalled', this.#session, note)
    await this.#call('Runtime.enable')
    await this.#call('Log.enable')
    return complaints
  }

  async resize(width: number, height: number): Promise<void> {
    const metrics = { width, height, deviceScaleFactor: 1, mobile: true }
    await this.#call('Emulation.setDeviceMetricsOverride', metrics)
  }

  async colourScheme(scheme: 'light' | 'dark'): Promise<void> {
    await this.#call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
  }

  /** Presses and releases a key that types nothing, e.g. `Tab` or `ArrowLeft`. */
  async press(key: string): Promise<void> {
    const codes: Readonly<Record<string, number>> = { Tab: 9, Home: 36, ArrowLeft: 37, ArrowRight: 39 }
    for (const type of ['rawKeyDown', 'keyUp']) {
      await this.#call('Input.dispatchKeyEvent', { type, key, code: key, windowsVirtualKeyCode: codes[key] ?? 0 })
    }
  }

  /** The addresses of everything that the page asks for from now on. */
  async requests(): Promise<readonly string[]> {
    const urls: string[] = []
    this.#browser.on('Network.requestWillBeSent', this.#session, ({ request }) => {
      urls.push((request as { url: string }).url)
    })
    await this.#call('Network.enable')
    return urls
  }

  /** Loads pages without their scripts from now on. */
  async withoutScripts(): Promise<void> {
    await this.#call('Emulation.setScriptExecutionDisabled', { value: true })
  }

  /** Makes a function of this name that calls back with its argument, a string. */
  async bind(name: string, callback: (argument: string) => void): Promise<void> {
    await this.#call('Runtime.enable')
    this.#browser.on('Runtime.bindingCalled', this.#session, ({ payload }) => callback(String(payload)))
    await this.#call('Runtime.addBinding', { name })
  }

  #call(method: string, params: object = {}): Promise<Record<string, unknown>> {
    return this.#browser.call(method, params, this.#session)
  }
}

/** The messages of a WebSocket that a page opened. */
export class PageWebSocket extends BlockSource {
  override readonly challenge: Buffer
  readonly #page: Page

  private constructor(page: Page, challenge: Buffer) {
    super()
    this.#page = page
    this.challenge = challenge
  }

  /** Rejects when the page gets an error instead of an open WebSocket. */
  static async open(page: Page, url: string, challenge: Buffer): Promise<PageWebSocket> {
    const stream = new PageWebSocket(page, challenge)
    await page.bind('tell', (told) => {
      if (told === 'closed') stream.ended()
      else stream.received(Buffer.from(told, 'base64'))
    })
    const opened = await page.evaluate(`new Promise((resolve) => {
      webSocket = new WebSocket('${url}?challenge=${challenge.toString('base64url')}')
      webSocket.binaryType = 'arraybuffer'
      webSocket.onopen = () => resolve('open')
      webSocket.onerror = () => resolve('error')
      webSocket.onclose = () => tell('closed')
      webSocket.onmessage = ({ data }) => tell(btoa(String.fromCharCode(...new Uint8Array(data))))
    })`)
    if (opened !== 'open') throw new Error('the page could not open its WebSocket')
    return stream
  }

  get socket(): TLSSocket {
    throw new Error('nobody sees the connection of a browser')
  }

  override get sessionId(): undefined {
    return undefined
  }

  write(bytes: Buffer): boolean {
    void this.#page.evaluate(
      `webSocket.send(Uint8Array.from(atob('${bytes.toString('base64')}'), (char) => char.charCodeAt(0)))`,
    )
    return true
  }

  close(): void {
    void this.#page.evaluate('webSocket.close()')
  }
}
