import { authenticatorKey, opensAuthenticator } from '../crypto/authenticator.ts'
import type { BoxKey } from '../crypto/box.ts'
import { decodeSpki, samePublicKey, type AuthKey, type DhKey, type PublicKey } from '../crypto/keys.ts'
import { verifySignature } from '../crypto/verify.ts'
import type { Authorization } from '../protocol/transmission.ts'

/** What an authorisation covers, and the key with which this session reads authenticators. */
export interface Authorized {
  /** Signed bytes: session id, correlation id, entity id and command (SMP wire format, "authorized"). */
  readonly authorized: Buffer
  readonly corrId: Buffer
  /** The relay's X25519 key of this session, 32 bytes. */
  readonly sessionPrivateKey: Buffer
  /** Keys agreed in this session, with queue keys that its client proved to hold; absent in a session of many clients. */
  readonly agreed: AgreedKeys | undefined
}

/** Queues of one connection whose agreed keys are remembered. */
const MAX_AGREED = 32

/**
 * Keys with which authenticators of one session were opened, by the queue's key, so that the next command for the same
 * queue needs no key agreement. Only the holder of a key gets it in here: the time saved reveals nothing about the queues
 * of others.
 */
export class AgreedKeys {
  #keys: Map<string, BoxKey> | undefined

  get(queueKey: DhKey): BoxKey | undefined {
    return this.#keys?.get(queueKey.raw.toString('latin1'))
  }

  keep(queueKey: DhKey, key: BoxKey): void {
    this.#keys ??= new Map()
    if (this.#keys.size >= MAX_AGREED) this.#keys.clear()
    this.#keys.set(queueKey.raw.toString('latin1'), key)
  }
}

/** Dummy keys: verification with them takes as long as with a real key, and fails. */
const dummyEd25519 = dummy('MCowBQYDK2VwAyEA139Oqs4QgpqbAmB0o7rZf6T19ryl7E65k4AYe0kE3Qs=', 'ed25519')
const dummyEd448 = dummy(
  'MEMwBQYDK2VxAzoA6ibQc9XpkSLtwrf7PLvp81qW/etiumckVFImCMRdftcG/XopbOSaq9qyLhrgJWKOLyNrQPNVvpMA',
  'ed448',
)
const dummyX25519 = dummy('MCowBQYDK2VuAyEA4JGSMYht18H4mas/jHeBwfcM7jLwNYJNOAhi2/g4RXg=', 'x25519')

/** Keys of which one has to authorise a command; `anyone`: the command has to come without an authorization. */
export type RequiredKeys = readonly AuthKey[] | 'anyone'

/** Who authorised a command: the key, or anyone where no key is required; undefined: nobody who may. */
export type Verdict = AuthKey | 'anyone' | undefined

/**
 * Whose authorization it is: one of the `required` keys'. The work depends on the kind of authorization that was sent,
 * not on whether there is a queue or a key: where no key of that kind exists, a dummy key is verified with. All keys of
 * that kind are tried, whichever fits, and it yields before each but the first, because there may be 255 of them.
 */
export function* authorize(
  authorization: Authorization,
  required: RequiredKeys,
  what: Authorized,
): Generator<undefined, Verdict, undefined> {
  const keys = required === 'anyone' ? [] : required
  switch (authorization.type) {
    case 'none':
      return required === 'anyone' ? required : undefined
    case 'ed25519':
      return yield* anyKey(ofAlg(keys, 'ed25519'), dummyEd25519, (key) =>
        verifySignature(key, what.authorized, authorization.signature),
      )
    case 'ed448':
      return yield* anyKey(ofAlg(keys, 'ed448'), dummyEd448, (key) =>
        verifySignature(key, what.authorized, authorization.signature),
      )
    case 'x25519':
      return yield* anyKey(ofAlg(keys, 'x25519'), dummyX25519, (key: DhKey) =>
        opensWith(key, what, authorization.authenticator),
      )
  }
}

/** Whether a verdict would be the same with these keys. */
export function isAmong(verdict: AuthKey | 'anyone', required: RequiredKeys): boolean {
  if (verdict === 'anyone' || required === 'anyone') return verdict === required
  return required.some((key) => samePublicKey(key, verdict))
}

function* anyKey<K>(
  keys: readonly K[],
  dummyKey: K,
  verify: (key: K) => boolean,
): Generator<undefined, K | undefined, undefined> {
  if (keys.length === 0) {
    verify(dummyKey)
    return undefined
  }
  let found: K | undefined
  for (const [index, key] of keys.entries()) {
    if (index > 0) yield
    if (verify(key)) found = key
  }
  return found
}

function ofAlg<A extends AuthKey['alg']>(keys: readonly AuthKey[], alg: A): PublicKey<A>[] {
  return keys.filter((key): key is Extract<AuthKey, { alg: A }> & PublicKey<A> => key.alg === alg)
}

function dummy<A extends AuthKey['alg']>(spki: string, alg: A): PublicKey<A> {
  const key = decodeSpki(Buffer.from(spki, 'base64'))
  if (key?.alg !== alg) throw new Error(`the dummy ${alg} key does not decode`)
  return { alg, raw: key.raw }
}

function opensWith(queueKey: DhKey, what: Authorized, authenticator: Buffer): boolean {
  const known = what.agreed?.get(queueKey)
  const key = known ?? authenticatorKey(queueKey, what.sessionPrivateKey)
  const opens = opensAuthenticator(key, what.corrId, what.authorized, authenticator)
  if (opens && known === undefined && key !== undefined) what.agreed?.keep(queueKey, key)
  return opens
}
