import { describe, expect, it } from 'vitest'
import { descriptorSigner } from '../../../../src/tor/onion/descriptor.ts'

/** The head of a descriptor that tor 0.4.9.11 has made; its event CREATED named the blinded key. */
const blindedKey = 'O+A8sjVFyS0bQSMs48O/c17B20GsLJBvVsjiUx/H2ME'
const head = `hs-descriptor 3
descriptor-lifetime 180
descriptor-signing-key-cert
-----BEGIN ED25519 CERT-----
AQgAB50iAc2CYbpy2lRm9zifjW4FhJ69j4qNl79Qvt0SkaBAVu/cAQAgBAA74Dyy
NUXJLRtBIyzjw79zXsHbQawskG9WyOJTH8fYwVHHcghdOAo10btSH1MNmHGpyeXy
BIL8wpJX6FWmAtyLLGfnrMTwSyQSB6iruzeZgGHBXJd8/+AWx9TIg0G8+go=
-----END ED25519 CERT-----
revision-counter 414152060
`

describe('who signed a descriptor', () => {
  it('is named by the certificate of the signing key, and for which time period', () => {
    expect(descriptorSigner(head)).toEqual({ blindedKey, signingKey: 'zYJhunLaVGb3OJ+NbgWEnr2Pio2Xv1C+3RKRoEBW79w' })
    expect(descriptorSigner(head.replaceAll('\n', '\r\n'))?.blindedKey).toBe(blindedKey)
  })

  it.each([
    ['nothing', ''],
    ['another version', head.replace('hs-descriptor 3', 'hs-descriptor 4')],
    ['a certificate that is cut', head.replace(/NUXJ[^-]*/, '\n')],
    ['a certificate without its extension', head.replace('AQAgBAA7', 'AQAgCAA7')],
    ['an extension longer than the certificate', head.replace('AQAgBAA7', 'AQ//BAA7')],
  ])('is not known of %s', (_, text) => {
    expect(text).not.toBe(head)
    expect(descriptorSigner(text)).toBeUndefined()
  })
})
