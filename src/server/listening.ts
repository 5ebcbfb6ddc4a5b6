import type { BlockChannel } from '../transport/channel.ts'
import { listenHttp, type HttpListener } from '../transport/http-listener.ts'
import { listen, type Listener, type WebOptions } from '../transport/listener.ts'
import { tlsFaultText } from '../transport/tls-session.ts'
import { answerWith } from '../transport/web-requests.ts'
import type { ServeOptions } from './serve-options.ts'

/** Plain HTTP is for a proxy or the onion service on this machine, unless `listen_host` says otherwise. */
const LOOPBACK = '127.0.0.1'

/** What a relay listens with. */
export interface Listening {
  readonly listeners: readonly Listener[]
  /** The site over plain HTTP. */
  readonly http: HttpListener | undefined
  /** Stops listening and ends every connection. */
  close(): Promise<void>
}

/** Listens on every port, or on none: a port that cannot be opened is fatal unless the options say otherwise. */
export async function listenOnAll(
  options: ServeOptions,
  handshakeTimeoutMs: number,
  onChannel: (channel: BlockChannel, challenge?: Buffer) => void,
): Promise<Listening> {
  const { log, host, credentials, site } = options
  const listeners: Listener[] = []
  let http: HttpListener | undefined
  const close = async (): Promise<void> => {
    await Promise.all([...listeners, ...(http ? [http] : [])].map((listener) => listener.close()))
  }
  try {
    for (const { port, web, setting } of openings(options)) {
      const listening = listen({
        ...(host !== undefined && { host }),
        port,
        credentials,
        onChannel,
        onTlsError: (fault) => {
          if (options.logTlsErrors === true) log.info(tlsFaultText(fault))
        },
        ...(options.connectionLimits && { limits: options.connectionLimits }),
        handshakeTimeoutMs,
        web,
        ...(setting !== undefined && { setting }),
      })
      const listener = await openedOrNot(options, port, listening)
      if (listener === undefined) continue
      listeners.push(listener)
      if (setting !== undefined) log.info(`Serving static site on port ${listener.port} (TLS)`)
    }
    if (site?.httpPort !== undefined) {
      const listening = listenHttp({ host: host ?? LOOPBACK, port: site.httpPort, respond: answerWith(site.respond) })
      http = await openedOrNot(options, site.httpPort, listening)
      if (http) log.info(`Serving static site on port ${http.port}`)
    }
  } catch (error) {
    await close()
    throw error
  }
  return { listeners, http, close }
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
  /** Of a port for the site alone: what an operator sets to have another one. */
  readonly setting?: { readonly key: string; readonly section: string }
}

function openings({ ports, webSocketPorts = [], web, site }: ServeOptions): Opening[] {
  const pages = web && { certificate: web.certificate, ...(site && { site: site.respond }) }
  const hasOwnPort = web !== undefined && site !== undefined && !ports.includes(web.port)
  return [
    ...ports.map((port): Opening => ({ port, web: { on: 'shared port', ...(port === web?.port && pages) } })),
    // The site's own port takes WebSockets as well.
    ...webSocketPorts
      .filter((port) => !(hasOwnPort && port === web.port))
      .map((port): Opening => ({ port, web: { on: 'own port' } })),
    ...(hasOwnPort
      ? [{ port: web.port, web: { on: 'own port', ...pages }, setting: { key: 'https', section: 'WEB' } } as const]
      : []),
  ]
}
