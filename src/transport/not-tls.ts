/** What a connection starts with that is not TLS, but that operators should hear of. */
export type NotTls = 'PROXY_HEADER' | 'PLAIN_HTTP'

const PROXY_V1 = Buffer.from('PROXY ')
/** The signature of version 2 of HAProxy's PROXY protocol (§2.2). */
const PROXY_V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n')
const HTTP_METHOD = /^(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|PRI) /
/** Enough of a signature to recognise it in a first packet. */
const MIN_SIGNATURE = 5

/** Recognises the first bytes of a connection. */
export function notTls(start: Buffer): NotTls | undefined {
  if (startsLike(start, PROXY_V1) || startsLike(start, PROXY_V2)) return 'PROXY_HEADER'
  return HTTP_METHOD.test(start.toString('latin1', 0, 8)) ? 'PLAIN_HTTP' : undefined
}

function startsLike(start: Buffer, signature: Buffer): boolean {
  const length = Math.min(start.length, signature.length)
  return length >= MIN_SIGNATURE && start.subarray(0, length).equals(signature.subarray(0, length))
}

/** What the relay says to a proxy that sends a PROXY header; checks of the relay recognise it. */
export const PROXY_HEADER_REFUSAL = 'smp-server: this port takes TLS without a PROXY header\n'

/** The answer before the connection is closed. */
export const NOT_TLS_ANSWERS: Readonly<Record<NotTls, string>> = {
  PROXY_HEADER: PROXY_HEADER_REFUSAL,
  PLAIN_HTTP:
    'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\nsmp-server: this port takes TLS, not plain HTTP\n',
}

/** What the log says about it. */
export const NOT_TLS_DETAILS: Readonly<Record<NotTls, string>> = {
  PROXY_HEADER:
    'a proxy in front of the relay sends a PROXY header; turn that off (send-proxy, proxy_protocol) and pass the TCP connection on unchanged',
  PLAIN_HTTP:
    'plain HTTP instead of TLS; a proxy in front of the relay must pass the TCP connection on unchanged, without ending TLS',
}
