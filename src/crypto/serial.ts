import { randomBytes } from 'node:crypto'

// Serial numbers of certificates and the file ca.srl, which keeps the last one that was used: openssl's -CAcreateserial
// starts with a random number and counts up from there.

const serialLength = 20
const serialLimit = 1n << BigInt(8 * serialLength - 1)

/** A random serial number of exactly 20 bytes, positive as DER integer. */
export function randomSerial(): Buffer {
  const serial = randomBytes(serialLength)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}

/** The number after the one in the text of ca.srl; a random one when there is no text or it is not a usable number. */
export function nextSerial(text: string | undefined): Buffer {
  const digits = text?.trim() ?? ''
  if (!/^[0-9A-Fa-f]{1,40}$/.test(digits)) return randomSerial()
  const next = BigInt(`0x${digits}`) + 1n
  return next < serialLimit ? serialBytes(next) : randomSerial()
}

/** The text of ca.srl: upper-case hexadecimal (40 digits for 20 bytes) and a newline. */
export function serialText(serial: Buffer): string {
  return `${serial.toString('hex').toUpperCase()}\n`
}

/** A positive number in at most 20 bytes, without a sign byte. */
function serialBytes(value: bigint): Buffer {
  const digits = value.toString(16)
  return Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
}
