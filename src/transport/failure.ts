/** How far a connection to a relay got. */
export type ConnectStep = 'address' | 'connect' | 'tls' | 'handshake'

/**
 * Why a relay could not be connected to:
 * `noHost`: the address has no usable host, or it is .onion and there is no SOCKS proxy; `unresolved`: DNS has no such
 * name; `proxyUnavailable`: the SOCKS proxy is down or refused the connection; `descriptorNotFound`: tor found no
 * descriptor of the onion service; `authorizationNeeded`: the onion service requires client authorization; `identity`:
 * certificates of another relay; `session`: the two sides see different TLS sessions; `protocol`: the relay did not
 * send SMP.
 */
export type ConnectReason =
  | 'noHost'
  | 'unresolved'
  | 'unreachable'
  | 'refused'
  | 'proxyUnavailable'
  | 'descriptorNotFound'
  | 'authorizationNeeded'
  | 'tls'
  | 'identity'
  | 'session'
  | 'version'
  | 'protocol'
  | 'service'
  | 'closed'
  | 'timeout'

export interface ConnectFailure {
  readonly step: ConnectStep
  readonly reason: ConnectReason
  /** One sentence for the operator, without host names. */
  readonly detail: string
}

/** Outside this layer, connection failures are values; inside it, the first one ends the attempt. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError'
  readonly failure: ConnectFailure

  constructor(failure: ConnectFailure) {
    super(failure.detail)
    this.failure = failure
  }
}

export function failConnect(step: ConnectStep, reason: ConnectReason, detail: string): never {
  throw new ConnectError({ step, reason, detail })
}
