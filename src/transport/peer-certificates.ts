import type { TLSSocket } from 'node:tls'

/** What SMP allows at most (wire format §3.1, §3.3). */
export const MAX_CHAIN = 4

const NONE: readonly Buffer[] = []

/** Node.js 22 tells a client the chain of its server only once. */
const CHAINS = new WeakMap<object, readonly Buffer[]>()

/**
 * The chain that the peer sent in TLS, DER, in its order, leaf first; empty when it sent none. At most one more than
 * {@link MAX_CHAIN} are returned, enough to refuse the chain.
 *
 * Node copies every certificate that the peer sent, hundreds if it likes, so this is for peers that say who they are.
 */
export function peerChain(socket: Pick<TLSSocket, 'getPeerX509Certificate'>): readonly Buffer[] {
  const known = CHAINS.get(socket)
  if (known !== undefined) return known
  const chain: Buffer[] = []
  let certificate = socket.getPeerX509Certificate()
  while (certificate !== undefined && chain.length <= MAX_CHAIN) {
    chain.push(certificate.raw)
    certificate = certificate.issuerCertificate
  }
  if (chain.length === 0) return NONE
  CHAINS.set(socket, chain)
  return chain
}
