import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'

/** What SMP allows at most (wire format §3.1, §3.3). */
export const MAX_CHAIN = 4

const NONE: readonly Buffer[] = []

/**
 * The chain that the peer sent in TLS, DER, leaf first; empty when it sent none. Each certificate is followed by the one
 * that issued it, so what the peer added beside its chain is left out. At most one more than {@link MAX_CHAIN} are
 * collected, enough to refuse the chain.
 */
export function peerChain(socket: TLSSocket): readonly Buffer[] {
  const chain: Buffer[] = []
  let next: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true)
  while (next?.raw !== undefined && chain.length <= MAX_CHAIN && !contains(chain, next.raw)) {
    chain.push(next.raw)
    next = next.issuerCertificate
  }
  return chain.length === 0 ? NONE : chain
}

function contains(chain: readonly Buffer[], certificate: Buffer): boolean {
  return chain.some((known) => known.equals(certificate))
}
