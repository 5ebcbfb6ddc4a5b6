import { since } from './versions.ts'

// Sizes in bytes (SMP wire format §10).

export const BLOCK_SIZE = 16384
/** Largest payload of a plain block: the block without its length word. */
export const MAX_PLAIN_PAYLOAD = 16382
/** Largest payload of an encrypted block: less the 16-byte tag as well. */
export const MAX_ENCRYPTED_PAYLOAD = 16366
/** A relay packs transmissions, each with its 2-byte length, up to this sum in either kind of block. */
export const MAX_PACKED_TRANSMISSIONS = 16365
export const MAX_TRANSMISSIONS_PER_BLOCK = 255

export const ED25519_SIGNATURE_SIZE = 64
export const ED448_SIGNATURE_SIZE = 114
export const AUTHENTICATOR_SIZE = 80

/** Ids of queues, messages, links and services that a relay generates. Any short string is accepted on input. */
export const ID_SIZE = 24
export const NONCE_SIZE = 24
export const IDS_HASH_SIZE = 16
export const KEY_HASH_SIZE = 32

/** What MSG encrypts, and the result with its 16-byte tag; the same at every version. */
export const MESSAGE_PLAINTEXT_SIZE = 16106
export const ENCRYPTED_MESSAGE_SIZE = 16122

/** What NMSG encrypts, and the result with its 16-byte tag. */
export const NOTIFICATION_PADDED_SIZE = 128
export const ENCRYPTED_NOTIFICATION_SIZE = 144

/** The forwarded payload between sender and relay, and the result with its 16-byte tag. */
export const PROXIED_PADDED_SIZE = 16226
export const ENCRYPTED_PROXIED_SIZE = 16242

/** Largest body of SEND; for a forwarded SEND the forwarded version counts. */
export function maxMessageLength(version: number): number {
  if (version >= since.blockEncryption) return 16048
  if (version >= since.proxying) return 16064
  return 16088
}
