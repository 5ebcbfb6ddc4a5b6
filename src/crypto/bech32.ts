const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]

/**
 * Whether the checksum of a lower-case text in Bech32 (BIP 173) is right; of any length, as age uses it.
 *
 * @param prefix what stands in front of the last `1`
 */
export function isBech32(text: string, prefix: string): boolean {
  const at = text.lastIndexOf('1')
  if (text.slice(0, at) !== prefix || text.length - at - 1 < 6) return false
  const values = Array.from(text.slice(at + 1), (character) => ALPHABET.indexOf(character))
  if (values.includes(-1)) return false
  const codes = Array.from(prefix, (character) => character.charCodeAt(0))
  return checksum([...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31), ...values]) === 1
}

function checksum(values: readonly number[]): number {
  return values.reduce((sum, value) => {
    const top = sum >> 25
    return GENERATOR.reduce(
      (next, term, bit) => ((top >> bit) & 1 ? next ^ term : next),
      ((sum & 0x1ffffff) << 5) ^ value,
    )
  }, 1)
}
