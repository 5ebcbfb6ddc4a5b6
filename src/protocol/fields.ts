import { decodeSpki, encodeSpki, isAuthKey, isDhKey, type AuthKey, type DhKey, type PublicKey } from '../crypto/keys.ts'
import { refuse, type Reader } from './reader.ts'
import type { Writer } from './writer.ts'

// Fields that several messages share.

/** What a short link resolves to; both parts are encrypted by the queue's owner and opaque here. */
export interface LinkData {
  readonly fixedData: Buffer
  readonly userData: Buffer
}

/** A certificate chain as in TLS, leaf first, and a key signed by its leaf (wire format §4.1, §4.3). */
export interface CertChainKey {
  /** DER certificates, 1..255. */
  readonly chain: readonly Buffer[]
  /** DER of the signed key. */
  readonly signedKey: Buffer
}

/** A notifier's key and its share of the secret that encrypts notifications. */
export interface NotifierKeys {
  readonly authKey: AuthKey
  readonly dhKey: DhKey
}

/** `key = short(SPKI)` of Ed25519, Ed448 or X25519. */
export function readAuthKey(r: Reader): AuthKey {
  const key = readPublicKey(r)
  return isAuthKey(key) ? key : refuse()
}

/** `key = short(SPKI)` of X25519. */
export function readDhKey(r: Reader): DhKey {
  const key = readPublicKey(r)
  return isDhKey(key) ? key : refuse()
}

export function writeKey(w: Writer, key: PublicKey): void {
  w.short(encodeSpki(key))
}

/** `link = large(fixedData) large(userData)`. Copies. */
export function readLinkData(r: Reader): LinkData {
  return { fixedData: r.largeCopy(), userData: r.largeCopy() }
}

export function writeLinkData(w: Writer, link: LinkData): void {
  w.large(link.fixedData).large(link.userData)
}

/** `certChainKey = count 1*large(certificate) large(signedKey)`. Copies. */
export function readCertChainKey(r: Reader): CertChainKey {
  return { chain: r.nonEmpty((item) => item.largeCopy()), signedKey: r.largeCopy() }
}

export function writeCertChainKey(w: Writer, { chain, signedKey }: CertChainKey): void {
  w.nonEmpty(chain, (certificate) => w.large(certificate)).large(signedKey)
}

/** `keys = authKey dhKey`. */
export function readNotifierKeys(r: Reader): NotifierKeys {
  return { authKey: readAuthKey(r), dhKey: readDhKey(r) }
}

export function writeNotifierKeys(w: Writer, keys: NotifierKeys): void {
  writeKey(w, keys.authKey)
  writeKey(w, keys.dhKey)
}

// `decodeSpki` copies, so a key may outlive its block.
function readPublicKey(r: Reader): PublicKey {
  return decodeSpki(r.short()) ?? refuse()
}
