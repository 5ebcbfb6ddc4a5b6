import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import type { Readable, Writable } from 'node:stream'

/** The parts of an HTTP/1.1 or HTTP/2 request that a handler needs. */
export interface WebRequest extends Readable {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: IncomingHttpHeaders
}

/** The response to it. */
export interface WebResponse extends Writable {
  readonly headersSent: boolean
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown
}

/**
 * Answers one request, a GET or HEAD; must not throw.
 *
 * @param gone aborted when the response is complete, the client disconnects, or its time is over: what was opened for the
 * response must be closed then
 */
export type RequestHandler = (request: WebRequest, response: WebResponse, gone: AbortSignal) => void

/** What a server's listener for requests looks like. */
export type RequestListener = (request: WebRequest, response: WebResponse) => void

/**
 * A listener that refuses methods other than GET and HEAD, and ends every response after `timeoutMs`, however slowly the
 * client reads.
 */
export function listenerFor(handler: RequestHandler, timeoutMs: number): RequestListener {
  return (request, response) => {
    const gone = new AbortController()
    const timer = setTimeout(() => response.destroy(), timeoutMs)
    response.once('close', () => {
      clearTimeout(timer)
      gone.abort()
    })
    const { method } = request
    if (method === 'GET' || method === 'HEAD') handler(request, response, gone.signal)
    else textAnswer(response, 405, 'method not allowed', { Allow: 'GET, HEAD' })
  }
}

/**
 * Answers `GET /health`.
 *
 * @param site answers the other requests; without it they get 404
 */
export function answerWith(site: RequestHandler | undefined): RequestHandler {
  return (request, response, gone) => {
    if (pathOf(request) === '/health') textAnswer(response, 200, 'ok')
    else if (site === undefined) textAnswer(response, 404, 'not found')
    else site(request, response, gone)
  }
}

/** The path of a request without its query. */
export function pathOf({ url = '' }: Pick<WebRequest, 'url'>): string {
  return url.split('?', 1)[0] ?? ''
}

/** Answers with one line of text. */
export function textAnswer(
  response: WebResponse,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders = {},
): void {
  bodyAnswer(response, status, text, { 'Content-Type': 'text/plain; charset=utf-8', ...headers })
}

/** Answers with a whole body; for HEAD Node leaves it out. */
export function bodyAnswer(
  response: WebResponse,
  status: number,
  body: string | Buffer,
  headers: OutgoingHttpHeaders,
): void {
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}
