import { timingSafeEqual } from 'node:crypto'
import { backend, type CryptoBackend } from './backend.ts'
import { boxKeyInto, cbNonce, dh, open, seal, type BoxKey } from './box.ts'
import { sha512 } from './hash.ts'
import type { DhKey } from './keys.ts'

// SMP wire format, authorization with X25519 keys:
//   authenticator(80) = box(X25519(queue key, server's session key), nonce of corrId, SHA-512(authorized))

export const AUTHENTICATOR_LENGTH = 80

/**
 * The authenticator (80 bytes) of the authorized bytes; undefined when the DH secret is all zeros. Either side can
 * make it: the sender with its private key and the server's session key.
 */
export function authenticate(
  publicKey: DhKey,
  privateKey: Uint8Array,
  corrId: Uint8Array,
  authorized: Uint8Array,
  using: CryptoBackend = backend,
): Buffer | undefined {
  const secret = dh(privateKey, publicKey, using)
  if (secret === undefined) return undefined
  return seal(boxKeyInto(secret, secret), cbNonce(corrId), sha512(authorized), using)
}

/** Whether the 80 bytes authenticate `authorized` with the queue's key; false also for any other length. */
export function verifyAuthenticator(
  queueKey: DhKey,
  serverPrivateKey: Uint8Array,
  corrId: Uint8Array,
  authorized: Uint8Array,
  authenticator: Uint8Array,
  using: CryptoBackend = backend,
): boolean {
  const key = authenticatorKey(queueKey, serverPrivateKey, using)
  return opensAuthenticator(key, corrId, authorized, authenticator, using)
}

/** What authenticators of one queue key in one session are boxed with; undefined when the DH secret is all zeros. */
export function authenticatorKey(
  queueKey: DhKey,
  serverPrivateKey: Uint8Array,
  using: CryptoBackend = backend,
): BoxKey | undefined {
  const secret = dh(serverPrivateKey, queueKey, using)
  return secret && boxKeyInto(secret, secret)
}

/** {@link verifyAuthenticator} with a key that was agreed on before. */
export function opensAuthenticator(
  key: BoxKey | undefined,
  corrId: Uint8Array,
  authorized: Uint8Array,
  authenticator: Uint8Array,
  using: CryptoBackend = backend,
): boolean {
  if (authenticator.length !== AUTHENTICATOR_LENGTH) return false
  const hash = sha512(authorized)
  const sent = key && open(key, cbNonce(corrId), authenticator, using)
  return sent !== undefined && timingSafeEqual(sent, hash)
}
