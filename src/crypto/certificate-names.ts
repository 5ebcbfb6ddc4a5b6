/** Names of the CA certificate of every relay. */
export const caName = { commonName: 'SMP server CA', organization: 'SimpleX' } as const

/** Throws RangeError unless `commonName` is 1 to 64 printable ASCII characters without blanks at either end. */
export function checkCommonName(commonName: string): void {
  if (!/^[\x21-\x7e]([\x20-\x7e]{0,62}[\x21-\x7e])?$/.test(commonName)) {
    throw new RangeError('the common name of a certificate is 1 to 64 printable ASCII characters')
  }
}
