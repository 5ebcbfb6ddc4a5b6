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

/** Answers one request, a GET or HEAD; must not throw. */
export type RequestHandler = (request: WebRequest, response: WebResponse) => void

/**
 * Answers `GET /health`, and refuses other methods than GET and HEAD.
 *
 * @param site answers the other requests; without it they get 404
 */
export function answerWith(site: RequestHandler | undefined): RequestHandler {
  return (request, response) => {
    const { method, url = '' } = request
    if (method !== 'GET' && method !== 'HEAD') textAnswer(response, 405, 'method not allowed', { Allow: 'GET, HEAD' })
    else if (url.split('?', 1)[0] === '/health') textAnswer(response, 200, 'ok')
    else if (site === undefined) textAnswer(response, 404, 'not found')
    else site(request, response)
  }
}

/** Answers with one line of text. */
export function textAnswer(
  response: WebResponse,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders = {},
): void {
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    ...headers,
  })
  response.end(text)
}
