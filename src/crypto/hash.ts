import { hash } from 'node:crypto'

/** 32 bytes: fingerprints. */
export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer')
}

/** 64 bytes: authenticators. */
export function sha512(bytes: Uint8Array): Buffer {
  return hash('sha512', bytes, 'buffer')
}

/** 48 bytes: the sender id that a client chooses through its corrId. */
export function sha3_384(bytes: Uint8Array): Buffer {
  return hash('sha3-384', bytes, 'buffer')
}

/** 16 bytes: the hash of a service's queue ids, where no collision resistance is needed. */
export function md5(bytes: Uint8Array): Buffer {
  return hash('md5', bytes, 'buffer')
}
