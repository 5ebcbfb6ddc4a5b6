import type { Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import type { SigningKey } from '../crypto/keys.ts'
import type { ServiceRole } from '../protocol/hello.ts'
import { ConnectError } from './failure.ts'
import { SMP_ALPN, TLS_PARAMETERS } from './tls-parameters.ts'

/** What a service authenticates with. */
export interface ServiceCredentials {
  readonly role: ServiceRole
  /** DER, leaf first, 1..4. */
  readonly chain: readonly Buffer[]
  readonly signingKey: SigningKey
  /** The whole chain. */
  readonly certPem: string
  readonly keyPem: string
}

/**
 * TLS as SMP clients speak it (wire format §3, §11): ALPN, no SNI, X448 as the first key share. Certificates are not
 * verified here. ConnectError when TLS fails or the signal comes first.
 */
export function connectTls(
  tcp: Socket,
  service: ServiceCredentials | undefined,
  signal: AbortSignal,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...TLS_PARAMETERS,
      socket: tcp,
      ALPNProtocols: [SMP_ALPN],
      rejectUnauthorized: false,
      ...(service && { cert: service.certPem, key: service.keyPem }),
    })
    let fault = 'the connection was closed'
    const leave = (): void => {
      signal.removeEventListener('abort', abort)
      socket.off('secureConnect', secured).off('close', closed)
    }
    const secured = (): void => {
      leave()
      resolve(socket)
    }
    const fail = (reason: 'timeout' | 'tls', detail: string): void => {
      leave()
      socket.destroy()
      reject(new ConnectError({ step: 'tls', reason, detail }))
    }
    const abort = (): void => fail('timeout', 'The TLS handshake timed out.')
    const closed = (): void => fail('tls', `The TLS handshake failed: ${fault}.`)
    socket.on('error', (error: NodeJS.ErrnoException) => {
      fault = error.code ?? error.message
    })
    socket.once('secureConnect', secured)
    socket.once('close', closed)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
