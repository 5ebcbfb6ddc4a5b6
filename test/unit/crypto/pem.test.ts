import { expect, it } from 'vitest'
import { certificatesFromPem, certificateToPem } from '../../../src/crypto/pem.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { hex } from './back-ends.ts'

const ca = hex(vectors.upstreamFixtures.caCrtDer)
const server = hex(vectors.upstreamFixtures.serverCrtDer)

it('reads the certificates of a PEM file in order, with text around them', () => {
  const pem = `a comment\n${certificateToPem(server)}\nsubject: CA\n${certificateToPem(ca)}`
  expect(certificatesFromPem(pem)).toEqual([server, ca])
  expect(certificatesFromPem(pem.replaceAll('\n', '\r\n'))).toEqual([server, ca])
})

it('reads no certificates from other text, and refuses broken ones', () => {
  expect(certificatesFromPem('')).toEqual([])
  expect(certificatesFromPem('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')).toEqual([])
  expect(certificatesFromPem('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')).toBeUndefined()
})

it('writes lines of 64 characters', () => {
  const lines = certificateToPem(ca).split('\n')
  expect(Math.max(...lines.slice(1, -2).map((line) => line.length))).toBe(64)
})
