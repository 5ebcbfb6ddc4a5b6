import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { certificateFingerprint } from '../../src/crypto/fingerprint.ts'
import {
  generateSigningKey,
  signingKeyFromPem,
  signingKeyToPem,
  type SigningAlg,
  type SigningKey,
} from '../../src/crypto/keys.ts'
import { opensslCaConfig, opensslServerConfig } from '../../src/crypto/openssl-config.ts'
import { certificateRequestToPem, certificatesFromPem, certificateToPem } from '../../src/crypto/pem.ts'
import { nextSerial, randomSerial, serialText } from '../../src/crypto/serial.ts'
import { certificateKey, verifyChain } from '../../src/crypto/x509.ts'
import { createCaCertificate, createCertificateRequest, createServerCertificate } from '../../src/crypto/x509-create.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'openssl-test-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const openssl = (...args: string[]): string =>
  execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const commonName = 'smp.example.org'

function onlyCertificate(name: string): Buffer {
  const [der] = certificatesFromPem(read(name)) ?? []
  if (der === undefined) throw new Error(`${name} holds no certificate`)
  return der
}

function keyFrom(name: string): SigningKey {
  const key = signingKeyFromPem(read(name))
  if (key === undefined) throw new Error(`${name} holds no key`)
  return key
}

describe.each<{ alg: SigningAlg; algorithm: string; size: number }>([
  { alg: 'ed25519', algorithm: 'ED25519', size: 554 },
  { alg: 'ed448', algorithm: 'ED448', size: 656 },
])('certificates of the relay before the real openssl ($algorithm)', ({ alg, algorithm, size }) => {
  const caKey = generateSigningKey(alg)
  const serverKey = generateSigningKey(alg)
  const notBefore = new Date()
  const ca = createCaCertificate({ key: caKey, serial: randomSerial(), notBefore })
  const server = createServerCertificate({
    key: serverKey.publicKey,
    commonName,
    ca: { certificate: ca, key: caKey },
    serial: randomSerial(),
    notBefore,
  })

  beforeAll(() => {
    write('ca.crt', certificateToPem(ca))
    write('ca.key', signingKeyToPem(caKey))
    write('server.crt', certificateToPem(server))
    write('server.key', signingKeyToPem(serverKey))
    write('server.csr', certificateRequestToPem(createCertificateRequest(serverKey, commonName)))
    write('openssl_ca.conf', opensslCaConfig())
    write('openssl_server.conf', opensslServerConfig(commonName))
  })

  it('certificates pass openssl verify, the CA also in strict mode', () => {
    expect(openssl('verify', '-CAfile', 'ca.crt', 'server.crt')).toBe('server.crt: OK\n')
    expect(openssl('verify', '-check_ss_sig', '-CAfile', 'ca.crt', 'ca.crt')).toBe('ca.crt: OK\n')
  })

  it('certificates fail openssl verify under another CA', () => {
    const other = generateSigningKey(alg)
    write('other.crt', certificateToPem(createCaCertificate({ key: other, serial: randomSerial(), notBefore })))
    expect(() => openssl('verify', '-CAfile', 'other.crt', 'server.crt')).toThrow(/verification failed/)
  })

  it('certificates have the size of those of openssl', () => {
    expect(read('ca.crt').length).toBe(size)
  })

  it('openssl prints the intended names, dates and extensions', () => {
    const text = openssl('x509', '-in', 'server.crt', '-noout', '-text').replace(/ +\n/g, '\n')
    expect(text).toContain('Version: 3 (0x2)')
    expect(text).toContain(`Signature Algorithm: ${algorithm}\n`)
    expect(text).toContain('Issuer: CN = SMP server CA, O = SimpleX\n')
    expect(text).toContain(`Subject: CN = ${commonName}\n`)
    expect(text).toContain(' 4764 GMT\n')
    expect(text).toContain('X509v3 Basic Constraints:\n                CA:FALSE\n')
    expect(text).toContain('X509v3 Key Usage:\n                Digital Signature, Non Repudiation, Key Agreement\n')
    expect(text).toContain('X509v3 Extended Key Usage:\n                TLS Web Server Authentication\n')
    expect(text).not.toContain('Alternative Name')
    const caText = openssl('x509', '-in', 'ca.crt', '-noout', '-text')
    expect(caText).toContain('X509v3 Basic Constraints: critical\n                CA:TRUE\n')
    expect(caText).not.toContain('Key Usage')
  })

  it('openssl computes the same fingerprint', () => {
    const printed = openssl('x509', '-in', 'ca.crt', '-noout', '-fingerprint', '-sha256')
    const expected = printed.replace(/^.*=/, '').trim().replaceAll(':', '').toLowerCase()
    expect(certificateFingerprint(ca).toString('hex')).toBe(expected)
  })

  it('openssl accepts the certificate request and makes the same one byte for byte', () => {
    openssl('req', '-in', 'server.csr', '-verify', '-noout', '-config', 'openssl_server.conf')
    expect(openssl('req', '-in', 'server.csr', '-noout', '-subject')).toBe(`subject=CN = ${commonName}\n`)
    openssl('req', '-new', '-config', 'openssl_server.conf', '-reqexts', 'v3', '-key', 'server.key', '-out', 'own.csr')
    expect(read('server.csr')).toBe(read('own.csr'))
  })

  it('openssl writes the private keys in the same form', () => {
    expect(openssl('pkey', '-in', 'server.key')).toBe(read('server.key'))
  })

  describe('beside those that openssl makes from the configuration files', () => {
    beforeAll(() => {
      const days = ['-days', '999999']
      openssl('genpkey', '-algorithm', algorithm, '-out', 'o-ca.key')
      openssl(
        ...['req', '-new', '-x509', ...days, '-config', 'openssl_ca.conf', '-extensions', 'v3'],
        ...['-key', 'o-ca.key', '-out', 'o-ca.crt'],
      )
      openssl('genpkey', '-algorithm', algorithm, '-out', 'o-server.key')
      openssl(
        ...['req', '-new', '-config', 'openssl_server.conf', '-reqexts', 'v3'],
        ...['-key', 'o-server.key', '-out', 'o-server.csr'],
      )
      rmSync(join(folder, 'o-ca.srl'), { force: true })
      openssl(
        ...['x509', '-req', ...days, '-extfile', 'openssl_server.conf', '-extensions', 'v3', '-in', 'o-server.csr'],
        ...['-CA', 'o-ca.crt', '-CAkey', 'o-ca.key', '-CAcreateserial', '-out', 'o-server.crt'],
      )
    })

    it('certificates equal those of openssl byte for byte, given the same keys, serial numbers and dates', () => {
      const opensslCa = onlyCertificate('o-ca.crt')
      const { serialNumber, validFrom } = new X509Certificate(opensslCa)
      const key = keyFrom('o-ca.key')
      const own = createCaCertificate({
        key,
        serial: Buffer.from(serialNumber, 'hex'),
        notBefore: new Date(validFrom),
      })
      expect(certificateToPem(own)).toBe(read('o-ca.crt'))

      const opensslServer = new X509Certificate(onlyCertificate('o-server.crt'))
      const ownServer = createServerCertificate({
        key: keyFrom('o-server.key').publicKey,
        commonName,
        ca: { certificate: opensslCa, key },
        serial: Buffer.from(opensslServer.serialNumber, 'hex'),
        notBefore: new Date(opensslServer.validFrom),
      })
      expect(certificateToPem(ownServer)).toBe(read('o-server.crt'))
    })

    it('certificates of openssl are read and validated alike', () => {
      const chain = [onlyCertificate('o-server.crt'), onlyCertificate('o-ca.crt')]
      expect(verifyChain(chain, new Date(Date.now() + 1000))).toBeUndefined()
      expect(verifyChain([server, ca], new Date())).toBeUndefined()
      expect(verifyChain([server, onlyCertificate('o-ca.crt')], new Date(Date.now() + 1000))).toBe('bad-signature')
      expect(certificateKey(chain[0] ?? Buffer.alloc(0))).toEqual(keyFrom('o-server.key').publicKey)
    })

    it('serial numbers continue from the one that openssl left in ca.srl', () => {
      const last = read('o-ca.srl')
      const { serialNumber } = new X509Certificate(onlyCertificate('o-server.crt'))
      expect(last.trim()).toBe(serialNumber)
      const next = serialText(nextSerial(last))
      write('o-ca.srl', last)
      openssl(
        ...['x509', '-req', '-days', '9', '-extfile', 'openssl_server.conf', '-extensions', 'v3', '-in', 'server.csr'],
        ...['-CA', 'o-ca.crt', '-CAkey', 'o-ca.key', '-CAserial', 'o-ca.srl', '-out', 'next.crt'],
      )
      expect(read('o-ca.srl')).toBe(next)
    })
  })
})

it('writes a configuration that openssl reads back with an odd name', () => {
  const odd = 'a$b#c\\d;e "f"'
  write('odd.conf', opensslServerConfig(odd))
  write('odd.key', signingKeyToPem(generateSigningKey('ed25519')))
  openssl('req', '-new', '-config', 'odd.conf', '-reqexts', 'v3', '-key', 'odd.key', '-out', 'odd.csr')
  expect(read('odd.csr')).toBe(certificateRequestToPem(createCertificateRequest(keyFrom('odd.key'), odd)))
})
