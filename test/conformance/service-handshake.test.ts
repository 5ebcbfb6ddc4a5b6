import { describe, expect, test, vi } from 'vitest'
import { StoreError } from '../../src/store/store.ts'
import { createServiceCertificate, signKey, type ServiceCertificate } from '../client/certificates.ts'
import { BlockStream, blockSize, openTls, receiveHello } from '../client/connection.ts'
import { pad, unpad } from '../client/encoding.ts'
import { encodeClientHello, parseServiceResponse, type ServiceRole } from '../client/hello.ts'
import { generateKey } from '../client/keys.ts'
import { createAuthorities, createAuthority, createServiceChain } from '../client/service-chain.ts'
import { pong } from './setting.ts'
import { withTunedRelay } from './tuned.ts'

const setting = withTunedRelay()
const versions = [16, 18, 19, 20] as const
const day = 86_400_000

interface Claim {
  readonly version?: number
  readonly role?: ServiceRole
  /** What TLS shows; nothing when `none`. */
  readonly inTls?: ServiceCertificate | 'none'
  /** The chain in the hello. */
  readonly chain?: readonly Buffer[]
  readonly signedKey?: Buffer
}

/** Claims to be a service, with anything about it wrong; the relay's answer, and whether the connection is closed then. */
const claim = async (certificate: ServiceCertificate, wrong: Claim = {}) => {
  const { version = 19, role = 'messaging', inTls = certificate } = wrong
  const service = inTls === 'none' ? {} : { service: { certificate: inTls, role } }
  const stream = new BlockStream(await openTls(setting.address, service))
  await receiveHello(stream, setting.address.keyHash)
  const hello = encodeClientHello({
    version,
    keyHash: setting.address.keyHash,
    service: {
      role,
      chain: wrong.chain ?? certificate.chain,
      signedKey: wrong.signedKey ?? signKey(generateKey('ed25519').spki, certificate.key),
    },
  })
  stream.write(pad(hello, blockSize))
  const response = parseServiceResponse(unpad(await stream.nextBlock()))
  if ('error' in response) await stream.closed
  else stream.close()
  return response
}

const badAuth = { error: 'HANDSHAKE BAD_AUTH' }
const badService = { error: 'HANDSHAKE BAD_SERVICE' }

describe.each(versions)('a service in version %i', (version) => {
  test.each([0, 1, 2, 3])('with %i certificates above its own is accepted and can work', async (count) => {
    const certificate = count === 0 ? createServiceCertificate() : createServiceChain(createAuthorities(count))
    const client = await setting.connect({ version, service: { certificate, role: 'messaging' } })
    expect(client.session.serviceId?.length).toBe(24)
    expect((await client.createQueue()).ids.serviceId).toEqual(client.session.serviceId)
  })

  test.each<ServiceRole>(['messaging', 'notifier', 'proxy'])('with the role %s keeps it for good', async (role) => {
    const certificate = createServiceCertificate()
    const first = await claim(certificate, { version, role })
    expect(first).toEqual({ serviceId: expect.any(Buffer) as Buffer })
    for (const other of ['messaging', 'notifier', 'proxy'] as const)
      expect(await claim(certificate, { version, role: other })).toEqual(other === role ? first : badService)
  })
})

describe('a service', () => {
  test('with more than four certificates in TLS is BAD_AUTH, and with hundreds it is disconnected', async () => {
    const long = createServiceChain(createAuthorities(4))
    expect(await claim(long, { chain: long.chain.slice(0, 4) })).toEqual(badAuth)
    await expect(claim(createServiceChain(createAuthorities(100)))).rejects.toThrow()
  })

  test('is known by the certificate above its own, whatever its own is', async () => {
    const authorities = createAuthorities(2)
    const [one, other] = [createServiceChain(authorities), createServiceChain(authorities)]
    expect(await claim(other)).toEqual(await claim(one))
    expect(await claim(createServiceChain(createAuthorities(2)))).not.toEqual(await claim(one))
  })

  test('that connects twice at the same moment for the first time has one id', async () => {
    const certificate = createServiceCertificate()
    const [one, other] = await Promise.all([claim(certificate), claim(certificate)])
    expect(one).toEqual(other)
  })

  test.each<[string, () => readonly [ServiceCertificate, Claim]]>([
    ['shows no certificate in TLS', () => [createServiceCertificate(), { inTls: 'none' }]],
    ['shows another certificate in TLS', () => [createServiceCertificate(), { inTls: createServiceCertificate() }]],
    [
      'shows less in TLS than in the hello',
      () => {
        const whole = createServiceChain(createAuthorities(1))
        const { certPem } = whole
        const leafPem = certPem.slice(0, certPem.indexOf('-----END') + 26)
        return [whole, { inTls: { ...whole, certPem: leafPem } }]
      },
    ],
    [
      'shows more in TLS than in the hello',
      () => {
        const whole = createServiceChain(createAuthorities(1))
        return [whole, { chain: whole.chain.slice(0, 1) }]
      },
    ],
    [
      'has a session key that another key signed',
      () => [
        createServiceCertificate(),
        { signedKey: signKey(generateKey('ed25519').spki, createServiceCertificate().key) },
      ],
    ],
    [
      'has a session key that is not for signing',
      () => {
        const certificate = createServiceCertificate()
        return [certificate, { signedKey: signKey(generateKey('x25519').spki, certificate.key) }]
      },
    ],
    ['signed nothing', () => [createServiceCertificate(), { signedKey: Buffer.alloc(122) }]],
    [
      'has a certificate that has expired',
      () => [createServiceChain(createAuthorities(1), { notAfter: new Date(Date.now() - day / 2) }), {}],
    ],
    [
      'has a certificate that is not valid yet',
      () => [createServiceChain(createAuthorities(1), { notBefore: new Date(Date.now() + day) }), {}],
    ],
    [
      'stands below an authority that has expired',
      () => {
        const old = createAuthority('test old', undefined, { notAfter: new Date(Date.now() - day / 2) })
        return [createServiceChain([old]), {}]
      },
    ],
    [
      'stands below a certificate that may not sign others',
      () => [createServiceChain([createAuthority('test none', undefined, { authority: false })]), {}],
    ],
    [
      'is signed by another key than its authority has',
      () => {
        const [named, signing] = [createAuthority('test same name'), createAuthority('test same name')]
        return [createServiceChain([named], { issuer: signing }), {}]
      },
    ],
  ])('that %s is BAD_AUTH, and the connection ends', async (_, wrong) => {
    expect(await claim(...wrong())).toEqual(badAuth)
  })

  test('that the relay cannot keep is BAD_SERVICE', async () => {
    const flushed = vi.spyOn(setting.core.store, 'flushed').mockRejectedValue(new StoreError('the disk is full'))
    const refused = await claim(createServiceCertificate())
    flushed.mockRestore()
    expect(refused).toEqual(badService)
  })

  test('keeps its id when the relay starts again', async () => {
    const certificate = createServiceChain(createAuthorities(1))
    const before = await claim(certificate, { role: 'notifier' })
    await setting.restart()
    expect(await claim(certificate, { role: 'notifier' })).toEqual(before)
    expect(await claim(certificate, { role: 'messaging' })).toEqual(badService)
  })

  test('may show its certificate without claiming anything: it is a client like others', async () => {
    const certificate = createServiceCertificate()
    const { certPem, keyPem } = certificate
    const client = await setting.connect({ tls: { cert: certPem, key: keyPem } })
    expect(client.session.serviceId).toBe(undefined)
    expect((await client.createQueue()).ids.serviceId).toBe(undefined)
    expect(await client.ping()).toEqual(pong)
  })
})
