import type { TorControl } from '../control/tor-control.ts'
import { TorRefusal } from '../control/errors.ts'
import type { ServiceId } from '../../crypto/onion-address.ts'

/*
 * The outer layer of a descriptor (rend-spec-v3 §2.4) names the key that signs it. tor makes that key anew for each
 * descriptor of each time period, so it tells a descriptor of one tor from that of another with the same onion key.
 */

export interface DescriptorSigner {
  /** The key of the service in one time period, 32 bytes in base64 without padding, as in tor's events: the directories keep one descriptor for each. */
  readonly blindedKey: string
  /** The key that signed this descriptor, in the same form. */
  readonly signingKey: string
}

/** Another tor has this key, or this one was ahead of its time. */
export const CONTESTED =
  'The directories hold a newer descriptor: another tor has this key, or the clock was ahead (passes within 3 h).'
export const CONTESTED_REMEDY =
  'Stop the tor that has a copy of this key, or replace the key: `smp-server tor rotate`. If the clock was ahead, wait.'

/** cert-spec §2.1: version, type, expiration (4), key type, key (32), number of extensions. */
const CERTIFIED_KEY_AT = 7
const EXTENSIONS_AT = 40
const KEY_BYTES = 32
const SIGNED_WITH_KEY = 4
const LONGEST_CERTIFICATE_CHARACTERS = 1000

/** `undefined` when it is no descriptor of version 3. */
export function descriptorSigner(text: string): DescriptorSigner | undefined {
  const match =
    /^hs-descriptor 3\r?\n(?:.*\r?\n)?descriptor-signing-key-cert\r?\n-----BEGIN ED25519 CERT-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END/.exec(
      text.slice(0, LONGEST_CERTIFICATE_CHARACTERS),
    )
  const certificate = Buffer.from(match?.[1] ?? '', 'base64')
  if (certificate.length <= EXTENSIONS_AT) return undefined
  const signingKey = unpadded(certificate.subarray(CERTIFIED_KEY_AT, CERTIFIED_KEY_AT + KEY_BYTES))
  for (let at = EXTENSIONS_AT; at + 4 <= certificate.length;) {
    const length = certificate.readUInt16BE(at)
    const value = certificate.subarray(at + 4, at + 4 + length)
    if (certificate[at + 2] === SIGNED_WITH_KEY && length === KEY_BYTES && value.length === KEY_BYTES) {
      return { blindedKey: unpadded(value), signingKey }
    }
    at += 4 + length
  }
  return undefined
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

/**
 * Who signs the descriptor that this tor has made for the present time period; `undefined` before it has made one. Of the
 * other period, whose descriptor clients may already want, tor tells nothing.
 *
 * @throws AppError when the connection ends
 */
export async function ownSigner(control: TorControl, serviceId: ServiceId): Promise<DescriptorSigner | undefined> {
  const key = `hs/service/desc/id/${serviceId}`
  try {
    return descriptorSigner((await control.getInfo(key)).get(key) ?? '')
  } catch (error) {
    if (error instanceof TorRefusal) return undefined
    throw error
  }
}
