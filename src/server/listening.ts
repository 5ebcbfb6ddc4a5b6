import { listenHttp, type HttpListener } from '../transport/http-listener.ts'
import { listen, type Listener, type OnChannel, type WebOptions } from '../transport/listener.ts'
import { tlsFaultText } from '../transport/tls-session.ts'
import { answerWith, type RequestHandler } from '../transport/web-requests.ts'
import type { ServeOptions } from './serve-options.ts'

/** Plain HTTP is for a proxy or the onion service on this machine, unless `listen_host` says otherwise. */
const LOOPBACK = '127.0.0.1'

/** What a relay listens with. */
export class Listening {
  /** The present ones: the array stays the same. */
  readonly listeners: Listener[] = []
  readonly #onChannel: OnChannel
  readonly #handshakeTimeoutMs: number
  /** Nobody can connect to these any more. */
  readonly #retired = new Set<Listener>()
  #options: ServeOptions
  #http: HttpListener | undefined
  #respond: RequestHandler = answerWith(undefined)

  constructor(options: ServeOptions, handshakeTimeoutMs: number, onChannel: OnChannel) {
    this.#options = options
    this.#handshakeTimeoutMs = handshakeTimeoutMs
    this.#onChannel = onChannel
  }

  /** The site over plain HTTP. */
  get http(): HttpListener | undefined {
    return this.#http
  }

  /**
   * Listens on the ports of the options, and on no others. Connections stay, also those of ports that are given up.
   *
   * @throws the error of a port that cannot be opened, unless the options say otherwise; nothing has changed then
   */
  async adapt(options: ServeOptions): Promise<void> {
    const wanted = openings(options)
    const opened = await this.#open(
      options,
      wanted.filter(({ port }) => this.#at(port) === undefined),
    )
    this.#options = options
    for (const { port, web } of wanted) this.#at(port)?.use({ credentials: options.credentials, web })
    const kept = this.listeners.filter(({ port }) => wanted.some((opening) => opening.port === port))
    for (const listener of this.listeners) if (!kept.includes(listener)) this.#retire(listener)
    this.listeners.splice(0, Infinity, ...wanted.flatMap(({ port }) => kept.find((one) => one.port === port) ?? []))
    this.listeners.push(...opened.listeners)
    this.#respond = answerWith(options.site?.respond)
    if (opened.http !== this.#http) await this.#http?.close()
    this.#http = opened.http
  }

  /** Stops listening and ends every connection. */
  async close(): Promise<void> {
    const all = [...this.listeners, ...this.#retired, ...(this.#http ? [this.#http] : [])]
    await Promise.all(all.map((listener) => listener.close()))
  }

  #at(port: number): Listener | undefined {
    return this.listeners.find((listener) => listener.port === port)
  }

  #retire(listener: Listener): void {
    this.#retired.add(listener)
    void listener.retire().then(() => this.#retired.delete(listener))
  }

  /** Opens what is missing, or nothing. */
  async #open(options: ServeOptions, missing: readonly Opening[]): Promise<Opened> {
    const { host, site, log } = options
    const listeners: Listener[] = []
    try {
      for (const opening of missing) {
        const { port, setting } = opening
        const listener = await openedOrNot(options, port, this.#listen(options, opening))
        if (listener === undefined) continue
        listeners.push(listener)
        if (setting?.section === 'WEB') log.info(`Serving static site on port ${listener.port} (TLS)`)
      }
      if (site?.httpPort === undefined) return { listeners, http: undefined }
      if (site.httpPort === this.#http?.port) return { listeners, http: this.#http }
      const respond: RequestHandler = (...request) => this.#respond(...request)
      const listening = listenHttp({ host: host ?? LOOPBACK, port: site.httpPort, respond })
      const http = await openedOrNot(options, site.httpPort, listening)
      if (http) log.info(`Serving static site on port ${http.port}`)
      return { listeners, http }
    } catch (error) {
      await Promise.all(listeners.map((listener) => listener.close()))
      throw error
    }
  }

  #listen(options: ServeOptions, opening: Opening): Promise<Listener> {
    const { credentials, connectionLimits, log } = options
    const { port, web, setting, withCircuits = false } = opening
    const host = withCircuits ? LOOPBACK : options.host
    return listen({
      ...(host !== undefined && { host }),
      withCircuits,
      port,
      credentials,
      onChannel: this.#onChannel,
      onTlsError: (fault) => {
        if (this.#options.logTlsErrors === true) log.info(tlsFaultText(fault))
      },
      ...(connectionLimits && { limits: connectionLimits }),
      handshakeTimeoutMs: this.#handshakeTimeoutMs,
      web,
      ...(setting !== undefined && { setting }),
    })
  }
}

interface Opened {
  readonly listeners: readonly Listener[]
  readonly http: HttpListener | undefined
}

async function openedOrNot<T>(
  { onPortError }: ServeOptions,
  port: number,
  opening: Promise<T>,
): Promise<T | undefined> {
  try {
    return await opening
  } catch (error) {
    if (onPortError === undefined || !(error instanceof Error)) throw error
    onPortError(port, error)
    return undefined
  }
}

interface Opening {
  readonly port: number
  readonly web: WebOptions
  /** Of a port for the site alone, or for tor: what an operator sets to have another one. */
  readonly setting?: { readonly key: string; readonly section: string } | undefined
  readonly withCircuits?: boolean
}

function openings({ ports, webSocketPorts = [], circuitPort, web, site }: ServeOptions): Opening[] {
  const pages = web && { certificate: web.certificate, ...(site && { site: site.respond }) }
  const hasOwnPort = web !== undefined && site !== undefined && !ports.includes(web.port)
  return [
    ...ports.map((port): Opening => ({ port, web: { on: 'shared port', ...(port === web?.port && pages) } })),
    // The site's own port takes WebSockets as well.
    ...webSocketPorts
      .filter((port) => !(hasOwnPort && port === web.port))
      .map((port): Opening => ({ port, web: { on: 'own port' } })),
    ...(circuitPort === undefined
      ? []
      : [
          {
            port: circuitPort,
            web: { on: 'shared port' },
            setting: { key: 'circuit_port', section: 'TOR' },
            withCircuits: true,
          } as const,
        ]),
    ...(hasOwnPort
      ? [{ port: web.port, web: { on: 'own port', ...pages }, setting: { key: 'https', section: 'WEB' } } as const]
      : []),
  ]
}
