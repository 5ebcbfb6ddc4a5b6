import { constants } from 'node:crypto'

// SMP wire format §3: the TLS parameters of both sides of an SMP connection.

/** In the relay's order of preference; the last two are for clients on port 443 that may offer nothing else. */
export const ALPN_PROTOCOLS = ['smp/1', 'h2', 'http/1.1'] as const
export const SMP_ALPN = 'smp/1'
export const HTTP_ALPN = 'http/1.1'
export const HTTP2_ALPN = 'h2'

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

/**
 * For browsers, which use other certificates, ciphers and groups. Finite-field groups are left out: every client that
 * has them has X25519 too, and they make a handshake expensive for the relay but not for the client.
 *
 * The web certificate joins the relay's own in a handshake, and the first cipher (in TLS 1.2) and signature algorithm
 * that the client knows and one of the two can serve choose between them: those of the relay's own come last.
 */
export const WEB_TLS_PARAMETERS = {
  ...TLS_PARAMETERS,
  ciphers: [
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'TLS_AES_128_GCM_SHA256',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-RSA-CHACHA20-POLY1305',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
  ].join(':'),
  sigalgs: [
    'ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512',
    'rsa_pss_rsae_sha512:rsa_pss_rsae_sha384:rsa_pss_rsae_sha256',
    'RSA+SHA512:RSA+SHA384:RSA+SHA256',
    'ed25519:ed448',
  ].join(':'),
  ecdhCurve: 'X25519:X448:P-256:P-384:P-521',
} as const
