/** How far a connection to a relay came. */
export type ConnectStep = 'address' | 'reach' | 'tls' | 'handshake'

/**
 * Why a relay could not be connected to:
 * `noHost`: no host of the address can be reached the way this relay is set up, or .onion without SOCKS;
 * `unresolved`: DNS knows no such name; `proxyUnavailable`: the SOCKS proxy is not there or refused us;
 * `descriptorNotFound`: tor found no descriptor of the onion service; `authorizationNeeded`: the onion service admits
 * only clients that it knows; `identity`: certificates of another relay; `session`: the two sides see different TLS
 * sessions; `protocol`: what the relay sent is not SMP.
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
  /** One sentence for an operator, without names of hosts. */
  readonly detail: string
}

/** The errors of a handshake are values outside this layer; inside, the first one ends the attempt. */
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
