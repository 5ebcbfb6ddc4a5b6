import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { certificateFingerprint } from '../../../src/crypto/fingerprint.ts'
import { generateDhKeyPair, generateSigningKey, sign, type PublicKey } from '../../../src/crypto/keys.ts'
import { pad } from '../../../src/crypto/pad.ts'
import { decodeSignedKey, encodeSignedKey } from '../../../src/crypto/signed-key.ts'
import { certificateKey } from '../../../src/crypto/x509.ts'
import { encodeClientHello, parseServerHello, type ClientHello, type ServiceRole } from '../../../src/protocol/hello.ts'
import { idFromBytes, type ServiceId } from '../../../src/protocol/ids.ts'
import {
  acceptHandshake,
  type HandshakeOptions,
  type LookupService,
  type ServiceHello,
} from '../../../src/transport/server-handshake.ts'
import type { SmpLink } from '../../../src/transport/smp-link.ts'
import { makeCredentials, memoryPair, received, type MemoryPair } from './fixtures.ts'

const credentials = makeCredentials()
const keyHash = credentials.identityHash

interface Attempt {
  readonly pair: MemoryPair
  readonly link: Promise<SmpLink | undefined>
  readonly next: () => Promise<Buffer | 'closed'>
}

function begin(options: Partial<HandshakeOptions> = {}, pair = memoryPair()): Attempt {
  const { next } = received(pair.client)
  return { pair, link: acceptHandshake(pair.server, { credentials, timeoutMs: 2000, ...options }), next }
}

async function bytesOf(block: Promise<Buffer | 'closed'>): Promise<Buffer> {
  const bytes = await block
  if (bytes === 'closed') throw new Error('closed')
  return bytes
}

function send(attempt: Attempt, bytes: Buffer): void {
  attempt.pair.client.write(pad(bytes, 16384))
}

function hello(change: Partial<ClientHello> = {}): Buffer {
  return encodeClientHello({ version: 20, keyHash, proxy: false, ...change })
}

async function expectSilentClose(attempt: Attempt): Promise<void> {
  await attempt.next()
  expect(await attempt.link).toBeUndefined()
  expect(await attempt.next()).toBe('closed')
}

describe('server-handshake', () => {
  it("the relay's hello offers versions 6 to 20, the session id, and a session key signed by the leaf", async () => {
    const attempt = begin()
    const parsed = parseServerHello(await bytesOf(attempt.next()))
    expect(parsed?.range).toEqual({ min: 6, max: 20 })
    expect(parsed?.sessionId).toEqual(attempt.pair.server.sessionId)
    expect(parsed?.certKey?.chain).toEqual(credentials.chain)
    const signed = parsed?.certKey && decodeSignedKey(parsed.certKey.signedKey)
    const leafKey = certificateKey(credentials.chain[0] ?? Buffer.alloc(0))
    expect(signed?.key.alg).toBe('x25519')
    expect(leafKey && signed?.verify(leafKey)).toBe(true)
    send(attempt, hello())
    expect((await attempt.link)?.sessionKeys.publicKey.raw).toEqual(signed?.key.raw)
  })

  it("the relay's hello signs the challenge and the session id when it offers v19", async () => {
    const challenge = randomBytes(32)
    for (const [max, proven] of [
      [18, false],
      [19, true],
      [20, true],
    ] as const) {
      const attempt = begin({ challenge, range: { min: 6, max } })
      const parsed = parseServerHello(await bytesOf(attempt.next()))
      const signed = Buffer.concat([challenge, attempt.pair.server.sessionId])
      expect(parsed?.identityProof).toEqual(proven ? sign(credentials.signingKey, signed) : undefined)
      attempt.pair.client.close()
      await attempt.link
    }
    const attempt = begin()
    expect(parseServerHello(await bytesOf(attempt.next()))?.identityProof).toBeUndefined()
    attempt.pair.client.close()
    await attempt.link
  })

  it("the relay's hello has a new session key for each connection", async () => {
    const keys = await Promise.all(
      [begin(), begin()].map(async (attempt) => {
        const parsed = parseServerHello(await bytesOf(attempt.next()))
        attempt.pair.client.close()
        await attempt.link
        return parsed?.certKey?.signedKey.toString('hex')
      }),
    )
    expect(keys[0]).not.toBe(keys[1])
  })

  it("the relay's hello offers version 6 and no key to a client without ALPN", async () => {
    const pair = memoryPair('smp/1')
    Object.defineProperty(pair.server, 'alpn', { value: undefined })
    const attempt = begin({}, pair)
    expect(parseServerHello(await bytesOf(attempt.next()))).toEqual({
      range: { min: 6, max: 6 },
      sessionId: pair.server.sessionId,
    })
    send(attempt, hello({ version: 6 }))
    expect((await attempt.link)?.version).toBe(6)
  })
})

describe('server-handshake', () => {
  const versions = Array.from({ length: 15 }, (_, i) => i + 6)

  it.each(versions)('a client hello selects version %i and its session parameters', async (version) => {
    for (const proxy of [false, true]) {
      for (const key of [undefined, generateDhKeyPair().publicKey]) {
        const attempt = begin()
        await attempt.next()
        send(attempt, hello({ version, proxy, ...(key && { key }) }))
        const link = await attempt.link
        expect(link?.version).toBe(version)
        expect(link?.range).toEqual({ min: 6, max: version })
        expect(link?.clientKey?.raw).toEqual(version >= 7 ? key?.raw : undefined)
        expect(link?.sessionSecret?.length).toBe(version >= 7 && key ? 32 : undefined)
        expect(link?.proxy).toBe(version >= 14 && proxy)
        const encrypted = version >= 11 && key !== undefined && !(version >= 14 && proxy)
        expect(link?.session.cipher !== undefined).toBe(encrypted)
        expect(link?.transmissionContext).toMatchObject({
          implySessionId: version >= 7,
          serviceAuth: version >= 16,
        })
      }
    }
  })

  it('a client hello may be followed by unknown bytes', async () => {
    const attempt = begin()
    await attempt.next()
    send(attempt, Buffer.concat([hello(), Buffer.from('something newer')]))
    expect((await attempt.link)?.version).toBe(20)
  })

  it.each<[string, () => Buffer]>([
    ['of another relay', () => hello({ keyHash: randomBytes(32) })],
    ['with a short key hash', () => hello({ keyHash: keyHash.subarray(0, 31) })],
    ['with no key hash', () => hello({ keyHash: Buffer.alloc(0) })],
    ['of version 5', () => hello({ version: 5 })],
    ['of version 21', () => hello({ version: 21 })],
    ['of version 65535', () => hello({ version: 65535 })],
    ['that is empty', () => Buffer.alloc(0)],
    ['that is cut', () => hello().subarray(0, 20)],
    ['of random bytes', () => randomBytes(200)],
    ['with an all-zero key', () => hello({ key: { alg: 'x25519', raw: Buffer.alloc(32) } })],
  ])('a client hello %s closes the connection without an answer', async (_, bytes) => {
    const attempt = begin()
    send(attempt, bytes())
    await expectSilentClose(attempt)
  })

  it('a client hello that is not a padded block closes the connection', async () => {
    const attempt = begin()
    attempt.pair.client.write(Buffer.alloc(16384, 0xff))
    await expectSilentClose(attempt)
  })

  it('a client hello for version 7 without ALPN closes the connection', async () => {
    const pair = memoryPair()
    Object.defineProperty(pair.server, 'alpn', { value: undefined })
    const attempt = begin({}, pair)
    send(attempt, hello({ version: 7 }))
    await expectSilentClose(attempt)
  })

  it('a missing client hello closes the connection after the timeout', async () => {
    const attempt = begin({ timeoutMs: 50 })
    await expectSilentClose(attempt)
  })

  it('a client that disconnects before its hello ends the handshake', async () => {
    const attempt = begin()
    await attempt.next()
    attempt.pair.client.close()
    expect(await attempt.link).toBeUndefined()
  })
})

describe('server-handshake', () => {
  const service = makeCredentials()
  const sessionKey = generateSigningKey('ed25519').publicKey as PublicKey<'ed25519'>
  const serviceId = idFromBytes<ServiceId>(randomBytes(24))

  function serviceHello(change: { role?: ServiceRole; signedKey?: Buffer; chain?: readonly Buffer[] } = {}): Buffer {
    return hello({
      service: {
        role: 'N',
        chain: service.chain,
        signedKey: encodeSignedKey(sessionKey, service.signingKey),
        ...change,
      },
    })
  }

  function beginService(lookupService?: LookupService, tlsChain = service.chain): Attempt {
    const pair = memoryPair()
    pair.server.peerCertificates = tlsChain
    return begin(lookupService ? { lookupService } : {}, pair)
  }

  it('a service hello is answered with the id of the service', async () => {
    const asked: ServiceHello[] = []
    const attempt = beginService((request) => {
      asked.push(request)
      return serviceId
    })
    await attempt.next()
    send(attempt, serviceHello())
    const response = await bytesOf(attempt.next())
    expect(response).toEqual(Buffer.concat([Buffer.from('R\x18'), Buffer.from(serviceId, 'latin1')]))
    const certHash = certificateFingerprint(service.chain[1] ?? Buffer.alloc(0))
    expect((await attempt.link)?.service).toEqual({
      serviceId,
      role: 'N',
      certificates: service.chain,
      certHash,
      sessionKey,
    })
    expect(asked).toEqual([{ role: 'N', certificates: service.chain, certHash }])
  })

  it('a service hello uses the only certificate of a service as its identity', async () => {
    const [, own = Buffer.alloc(0)] = service.chain
    const attempt = beginService(() => Promise.resolve(serviceId), [own])
    await attempt.next()
    send(attempt, serviceHello({ chain: [own], signedKey: encodeSignedKey(sessionKey, service.caKey) }))
    expect((await bytesOf(attempt.next()))[0]).toBe(0x52)
    expect((await attempt.link)?.service?.certHash).toEqual(certificateFingerprint(own))
  })

  it.each<[string, string, () => Attempt, () => Buffer]>([
    [
      'BAD_AUTH',
      'sent other certificates in TLS',
      () => beginService(() => serviceId, makeCredentials().chain),
      serviceHello,
    ],
    ['BAD_AUTH', 'sent no certificates in TLS', () => beginService(() => serviceId, []), serviceHello],
    [
      'BAD_AUTH',
      'left a certificate out of its hello',
      () => beginService(() => serviceId),
      () => serviceHello({ chain: service.chain.slice(0, 1) }),
    ],
    [
      'BAD_AUTH',
      'has a chain that is not valid',
      () => beginService(() => serviceId, service.chain.toReversed()),
      () => serviceHello({ chain: service.chain.toReversed() }),
    ],
    [
      'BAD_AUTH',
      'did not sign its key with its leaf',
      () => beginService(() => serviceId),
      () => serviceHello({ signedKey: encodeSignedKey(sessionKey, service.caKey) }),
    ],
    [
      'BAD_AUTH',
      'signed a key of another kind',
      () => beginService(() => serviceId),
      () => serviceHello({ signedKey: encodeSignedKey(generateDhKeyPair().publicKey, service.signingKey) }),
    ],
    [
      'BAD_AUTH',
      'sent garbage for its key',
      () => beginService(() => serviceId),
      () => serviceHello({ signedKey: randomBytes(122) }),
    ],
    ['BAD_SERVICE', 'is not known in this role', () => beginService(() => undefined), serviceHello],
    ['BAD_SERVICE', 'cannot be looked up', () => beginService(() => Promise.reject(new Error('store'))), serviceHello],
    ['BAD_SERVICE', 'comes to a relay without services', () => beginService(), serviceHello],
  ])('a service hello is answered %s when it %s', async (error, _, start, bytes) => {
    const attempt = start()
    await attempt.next()
    send(attempt, bytes())
    expect((await bytesOf(attempt.next())).toString()).toBe(`EHANDSHAKE ${error}`)
    expect(await attempt.next()).toBe('closed')
    expect(await attempt.link).toBeUndefined()
  })

  it('a service hello is refused when its certificates have expired', async () => {
    const pair = memoryPair()
    pair.server.peerCertificates = service.chain
    const attempt = begin({ lookupService: () => serviceId, now: () => new Date('9999-01-01') }, pair)
    await attempt.next()
    send(attempt, serviceHello())
    expect((await bytesOf(attempt.next())).toString()).toBe('EHANDSHAKE BAD_AUTH')
    expect(await attempt.link).toBeUndefined()
  })
})
