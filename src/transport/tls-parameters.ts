import { constants } from 'node:crypto'

// SMP wire format §3: what both sides of an SMP connection agree on before the first block.

/** In the relay's order of preference; the last two are for clients on port 443 that may offer nothing else. */
export const ALPN_PROTOCOLS = ['smp/1', 'h2', 'http/1.1'] as const
export const SMP_ALPN = 'smp/1'

/**
 * Without tickets or renegotiation, because the session id is the client's Finished message and must be unique to each
 * connection.
 */
export const TLS_PARAMETERS = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-CHACHA20-POLY1305',
  sigalgs: 'ed448:ed25519',
  ecdhCurve: 'X448:X25519',
  secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
} as const
