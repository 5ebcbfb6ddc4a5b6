import { expect, it } from 'vitest'
import { certificateFingerprint, fingerprintText } from '../../../src/crypto/fingerprint.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { hex } from './back-ends.ts'

it('is the hash of the whole certificate, as padded base64url', () => {
  const { caCrtDer, testKeyHashB64u } = vectors.upstreamFixtures
  expect(fingerprintText(certificateFingerprint(hex(caCrtDer)))).toBe(testKeyHashB64u)
})
