import { describe, expect, it } from 'vitest'
import { createServiceCertificate, signKey, type ServiceCertificate } from '../client/certificates.ts'
import { BlockStream, blockSize, openTls, receiveHello } from '../client/connection.ts'
import { pad, unpad } from '../client/encoding.ts'
import { encodeClientHello, parseServiceResponse, type ServiceRole } from '../client/hello.ts'
import { generateKey } from '../client/keys.ts'
import { createAuthorities, createAuthority, createServiceChain } from '../client/service-chain.ts'
import { isEmbedded, servicesOf } from './inside.ts'
import { err, pong } from './setting.ts'
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

/** The notifier of a new queue of somebody else. */
const aNotifier = async () => {
  const owner = await setting.connect()
  return owner.nkey(await owner.createQueue({ subscribe: false }))
}

describe.each(versions)('a service in version %i', (version) => {
  it.each([0, 1, 2, 3])('with %i certificates above its own is accepted and can work', async (count) => {
    const certificate = count === 0 ? createServiceCertificate() : createServiceChain(createAuthorities(count))
    const client = await setting.connect({ version, service: { certificate, role: 'messaging' } })
    expect(client.session.serviceId?.length).toBe(24)
    expect((await client.createQueue()).ids.serviceId).toEqual(client.session.serviceId)
  })

  it.each<ServiceRole>(['messaging', 'notifier'])('with the role %s keeps it once it has a queue', async (role) => {
    const certificate = createServiceCertificate()
    const client = await setting.connect({ version, service: { certificate, role } })
    if (role === 'messaging') await client.createQueue()
    else await client.nsub(await aNotifier())
    const first = { serviceId: client.session.serviceId }
    for (const other of ['messaging', 'notifier', 'proxy'] as const)
      expect(await claim(certificate, { version, role: other })).toEqual(other === role ? first : badService)
  })
})

describe('a service', () => {
  it('with more than four certificates in TLS is BAD_AUTH, and with hundreds it is disconnected', async () => {
    const long = createServiceChain(createAuthorities(4))
    expect(await claim(long, { chain: long.chain.slice(0, 4) })).toEqual(badAuth)
    await expect(claim(createServiceChain(createAuthorities(100)))).rejects.toThrow()
  })

  it('is known by the certificate above its own, whatever its own is', async () => {
    const authorities = createAuthorities(2)
    const [one, other] = [createServiceChain(authorities), createServiceChain(authorities)]
    expect(await claim(other)).toEqual(await claim(one))
    expect(await claim(createServiceChain(createAuthorities(2)))).not.toEqual(await claim(one))
  })

  it('that connects twice at the same moment for the first time has one id', async () => {
    const certificate = createServiceCertificate()
    const [one, other] = await Promise.all([claim(certificate), claim(certificate)])
    expect(one).toEqual(other)
  })

  it.each<[string, () => readonly [ServiceCertificate, Claim]]>([
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

  it('leaves nothing in the store by its handshake alone', async () => {
    const before = (await servicesOf(setting.core)).length
    for (let count = 0; count < 20; count++) await claim(createServiceCertificate())
    expect(await servicesOf(setting.core)).toHaveLength(before)
  })

  it.runIf(isEmbedded)(
    'is stored with its first association, and leaves the store with its last one (needs an embedded store)',
    async () => {
      const before = (await servicesOf(setting.core)).length
      const stored = async (): Promise<number> => (await servicesOf(setting.core)).length - before
      const [certificate, other] = [createServiceCertificate(), createServiceCertificate()]
      const client = await setting.connect({ service: { certificate, role: 'messaging' } })
      expect(await stored()).toBe(0)
      const queue = await client.createQueue()
      expect(await stored()).toBe(1)
      await client.createQueue()
      expect(await stored()).toBe(1)
      // However often a queue moves, the records of the services that it left do not stay.
      const next = await setting.connect({ service: { certificate: other, role: 'messaging' } })
      await next.sub(queue)
      expect(await stored()).toBe(2)
      await (await setting.connect()).sub(queue)
      expect(await stored()).toBe(1)
      await next.sub(queue)
      expect(await stored()).toBe(2)
      await next.del(queue)
      expect(await stored()).toBe(1)
      expect(await claim(other)).toEqual({ serviceId: next.session.serviceId })
    },
  )

  it('is not stored by a NEW that fails', async () => {
    const before = (await servicesOf(setting.core)).length
    const client = await setting.connect({ service: { certificate: createServiceCertificate(), role: 'messaging' } })
    await expect(client.createQueue({ subscribe: false })).rejects.toThrow('PROHIBITED')
    expect(await servicesOf(setting.core)).toHaveLength(before)
  })

  it.each<ServiceRole>(['messaging', 'notifier', 'proxy'])(
    'keeps its id when the relay starts again, stored or not, with the role %s',
    async (role) => {
      const certificate = createServiceChain(createAuthorities(1))
      const client = await setting.connect({ service: { certificate, role } })
      const first = { serviceId: client.session.serviceId }
      await setting.restart()
      expect(await claim(certificate, { role })).toEqual(first)
      if (role !== 'messaging') return
      await (await setting.connect({ service: { certificate, role } })).createQueue()
      await setting.restart()
      expect(await claim(certificate, { role })).toEqual(first)
    },
  )

  it('with another role than the one that it is stored with by now is refused as SERVICE', async () => {
    const certificate = createServiceCertificate()
    const ntf = await setting.connect({ service: { certificate, role: 'notifier' } })
    const rcv = await setting.connect({ service: { certificate, role: 'messaging' } })
    await rcv.createQueue()
    expect(await ntf.nsub(await aNotifier())).toEqual(err('SERVICE'))
  })

  it('may show its certificate without claiming anything: it is a client like others', async () => {
    const certificate = createServiceCertificate()
    const { certPem, keyPem } = certificate
    const client = await setting.connect({ tls: { cert: certPem, key: keyPem } })
    expect(client.session.serviceId).toBe(undefined)
    expect((await client.createQueue()).ids.serviceId).toBe(undefined)
    expect(await client.ping()).toEqual(pong)
  })
})
