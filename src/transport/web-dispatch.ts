import type { Socket } from 'node:net'
import { parseTlsClientHello, type TlsClientHello } from './tls-client-hello.ts'
import { HTTP2_ALPN, HTTP_ALPN, SMP_ALPN } from './tls-parameters.ts'

/** What a client of a shared port will speak. */
export type Protocol = 'smp' | 'web'

/**
 * Decides by what the client offers in its ClientHello. SMP clients offer smp/1, or on port 443 perhaps only what
 * browsers offer, and mostly send no server name; browsers offer http/1.1 and always send one.
 *
 * @param isWebPort this is the port of `[WEB] https`, so a client that sends a server name and no ALPN wants the web
 */
export function protocolOf(hello: TlsClientHello | undefined, isWebPort: boolean): Protocol {
  if (!hello?.hasServerName) return 'smp'
  const { protocols } = hello
  if (protocols === undefined) return isWebPort ? 'web' : 'smp'
  if (protocols.includes(SMP_ALPN)) return 'smp'
  return protocols.includes(HTTP_ALPN) || protocols.includes(HTTP2_ALPN) ? 'web' : 'smp'
}

/**
 * Reads a connection up to the end of its ClientHello and puts all of it back, so that TLS can start. The socket is
 * paused when `decided` is called, with undefined for clients that start with something else, and with all that was read.
 *
 * @param failed the connection ended or `timeoutMs` passed before that; the socket is destroyed
 */
export function peekClientHello(
  socket: Socket,
  timeoutMs: number,
  decided: (hello: TlsClientHello | undefined, start: Buffer) => void,
  failed: (code: string) => void,
): void {
  const chunks: Buffer[] = []
  let code = 'ECONNRESET'
  const leave = (): void => {
    clearTimeout(timer)
    socket.off('data', take).off('error', fail).off('close', closed)
  }
  const take = (chunk: Buffer): void => {
    chunks.push(chunk)
    const bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks)
    const hello = parseTlsClientHello(bytes)
    if (hello === 'incomplete') {
      chunks.splice(0, chunks.length, bytes)
      return
    }
    leave()
    socket.pause()
    socket.unshift(bytes)
    decided(hello === 'other' ? undefined : hello, bytes)
  }
  const fail = (error: NodeJS.ErrnoException): void => {
    code = error.code ?? code
  }
  const closed = (): void => {
    leave()
    failed(code)
  }
  const timer = setTimeout(() => {
    code = 'ERR_TLS_HANDSHAKE_TIMEOUT'
    socket.destroy()
  }, timeoutMs)
  socket.on('error', fail).on('close', closed).on('data', take)
}
