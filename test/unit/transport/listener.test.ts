import { createHash } from 'node:crypto'
import { connect as connectTcp, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { connect, TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { AppError } from '../../../src/errors/app-error.ts'
import { listen } from '../../../src/transport/listener.ts'
import { createAuthorities, createAuthority, createServiceChain } from '../../client/service-chain.ts'
import { delay, makeCredentials } from './fixtures.ts'
import { loopback, recorder, until, type Loopback } from './loopback.ts'

const open: Loopback[] = []

async function relayWith(options: Parameters<typeof loopback>[0] = {}): Promise<Loopback> {
  const relay = await loopback(options)
  open.push(relay)
  return relay
}

afterEach(async () => {
  for (const relay of open.splice(0)) await relay.close()
})

const identity = (raw: Buffer): Buffer => createHash('sha256').update(raw).digest()

describe('listener', () => {
  it('the listener sends the leaf and the identity certificate', async () => {
    const relay = await relayWith()
    const client = await relay.client()
    const leaf = client.getPeerCertificate(true)
    expect(leaf.raw).toEqual(relay.credentials.chain[0])
    expect(identity(leaf.issuerCertificate.raw)).toEqual(relay.credentials.identityHash)
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'the listener has the same session id as the client in %s',
    async (version) => {
      const relay = await relayWith()
      const client = await relay.client({ minVersion: version, maxVersion: version })
      expect((await relay.channel()).sessionId).toEqual(client.getFinished())
      expect(client.getFinished()).toHaveLength(version === 'TLSv1.2' ? 12 : 32)
    },
  )

  it('the listener accepts clients without ALPN, and refuses those that offer only protocols it does not know', async () => {
    const relay = await relayWith()
    await relay.client({ ALPNProtocols: [] })
    expect((await relay.channel()).alpn).toBeUndefined()
    await expect(relay.client({ ALPNProtocols: ['xmpp'] })).rejects.toThrow(/no application protocol/)
    await until(() => relay.faults.length === 1, 'the fault')
  })

  it('the listener accepts clients that offer only http/1.1, as on port 443', async () => {
    const relay = await relayWith()
    await relay.client({ ALPNProtocols: ['http/1.1'] })
    expect((await relay.channel()).alpn).toBe('http/1.1')
  })

  it('the listener ignores SNI', async () => {
    const relay = await relayWith()
    const client = await relay.client({ servername: 'other.example' })
    expect(client.getPeerCertificate().raw).toEqual(relay.credentials.chain[0])
  })

  it('the listener passes on the certificates of a client, leaf first', async () => {
    const relay = await relayWith()
    const service = makeCredentials()
    await relay.client({ cert: service.certPem, key: service.keyPem })
    expect((await relay.channel()).peerCertificates).toEqual(service.chain)
  })

  it('the listener reads no chain of a client until it is asked for, and then five certificates of ten', async () => {
    const relay = await relayWith()
    const reads = vi.spyOn(TLSSocket.prototype, 'getPeerX509Certificate')
    const readsAll = vi.spyOn(TLSSocket.prototype, 'getPeerCertificate')
    const service = createServiceChain(createAuthorities(9))
    await relay.client({ cert: service.certPem, key: service.keyPem })
    const channel = await relay.channel()
    expect(reads).not.toHaveBeenCalled()
    expect(channel.peerCertificates).toEqual(service.chain.slice(0, 5))
    expect(readsAll).not.toHaveBeenCalledWith(true)
    vi.restoreAllMocks()
  })

  it('the listener ends a TLS handshake that is longer than four certificates make it', async () => {
    const relay = await relayWith({ maxHandshakeBytes: 8192 })
    const { certPem, keyPem } = createServiceChain(createAuthorities(60))
    const client = connect({
      ...{ host: '127.0.0.1', port: relay.listener.port, rejectUnauthorized: false },
      ...{ cert: certPem, key: keyPem, sigalgs: 'ed448:ed25519', ecdhCurve: 'X448:X25519' },
    }).on('error', () => undefined)
    await new Promise((resolve) => client.resume().on('close', resolve))
    await until(() => relay.listener.counts.active === 0, 'the end')
    expect(relay.faults).toHaveLength(1)
  })

  it('a client whose certificates OpenSSL refuses gets blocks like others', async () => {
    const relay = await relayWith()
    const [named, signing] = [createAuthority('test same name'), createAuthority('test same name')]
    const service = createServiceChain([named], { issuer: signing })
    const client = await relay.client({ cert: service.certPem, key: service.keyPem })
    const channel = await relay.channel()
    channel.attach(recorder())
    channel.write(Buffer.alloc(16384))
    let received = 0
    client.on('data', (chunk: Buffer) => (received += chunk.length))
    await until(() => received === 16384, 'a block')
  })

  it('the listener gives new connections new credentials', async () => {
    const relay = await relayWith()
    const renewed = makeCredentials()
    relay.listener.use({ credentials: renewed })
    const client = await relay.client()
    expect(client.getPeerCertificate().raw).toEqual(renewed.chain[0])
  })

  it('the listener counts connections, including those that never speak TLS', async () => {
    const relay = await relayWith()
    await relay.client()
    const silent = connectTcp(relay.listener.port, '127.0.0.1')
    await until(() => relay.listener.counts.active === 2, 'two connections')
    silent.destroy()
    await until(() => relay.listener.counts.closed === 1, 'one closed')
    expect(relay.listener.counts).toMatchObject({ accepted: 2, closed: 1, active: 1 })
  })

  it('the listener closes a connection whose TLS handshake times out, even one that sends a byte now and then', async () => {
    const relay = await relayWith({ handshakeTimeoutMs: 300 })
    const start = performance.now()
    const closed = [Buffer.alloc(0), Buffer.of(0x16)].map((drip) => {
      const socket = connectTcp(relay.listener.port, '127.0.0.1')
      socket.on('error', () => undefined)
      // A TLS record of 255 bytes that comes byte by byte.
      socket.write(Buffer.of(0x16, 3, 1, 0, 255))
      const timer = setInterval(() => drip.length > 0 && socket.write(drip), 50)
      return new Promise((resolve) => {
        socket.resume().on('close', () => {
          clearInterval(timer)
          resolve(undefined)
        })
      })
    })
    await Promise.all(closed)
    expect(performance.now() - start).toBeLessThan(2000)
    await until(() => relay.listener.counts.active === 0, 'no connection left')
    expect(relay.faults).toHaveLength(2)
  })

  it('the listener survives garbage instead of TLS', async () => {
    const relay = await relayWith()
    const socket = connectTcp(relay.listener.port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await new Promise((resolve) => socket.resume().on('close', resolve))
    await relay.client()
    expect(relay.faults).toHaveLength(1)
  })

  it('the listener ends every connection when it closes', async () => {
    const relay = await relayWith()
    const client = await relay.client()
    const closed = new Promise((resolve) => client.on('close', resolve))
    await relay.listener.close()
    await closed
    expect(relay.listener.counts.active).toBe(0)
  })

  it('the listener listens on every address, IPv6 and IPv4, when none is given', async () => {
    const listener = await listen({ port: 0, credentials: makeCredentials(), onChannel: () => undefined })
    const loopbacks = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ address }) => address === '127.0.0.1' || address === '::1')
    expect(loopbacks.length).toBeGreaterThan(0)
    for (const { address } of loopbacks) {
      const socket = connect({
        host: address,
        port: listener.port,
        rejectUnauthorized: false,
        ALPNProtocols: ['smp/1'],
      })
      await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
      socket.destroy()
    }
    await listener.close()
  })

  it('the listener never resumes a session', async () => {
    const relay = await relayWith()
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = await relay.client({ minVersion: version, maxVersion: version })
      await delay(20)
      const session = first.getSession()
      const again = connect({
        host: '127.0.0.1',
        port: relay.listener.port,
        rejectUnauthorized: false,
        ALPNProtocols: ['smp/1'],
        minVersion: version,
        maxVersion: version,
        ...(session && { session }),
      })
      await new Promise((resolve) => again.once('secureConnect', resolve))
      expect(again.isSessionReused()).toBe(false)
      again.destroy()
    }
  })
})

describe('listener', () => {
  it('the error of a port in use names the process that holds it and what to do', async () => {
    const holder = createServer()
    const port = await new Promise<number>((resolve) => {
      holder.listen(0, '127.0.0.1', () => {
        const address = holder.address()
        resolve(address !== null && typeof address === 'object' ? address.port : 0)
      })
    })
    try {
      const options = { credentials: makeCredentials(), onChannel: () => undefined }
      const fault: unknown = await listen({ host: '127.0.0.1', port, ...options }).catch((error: unknown) => error)
      if (!(fault instanceof AppError)) throw new Error('no AppError')
      expect(fault.code).toBe('PORT_IN_USE')
      expect(fault.message).toContain(`port ${port} of 127.0.0.1: it is in use by`)
      expect(fault.remedy).toContain(`Stop process ${process.pid}`)
      await expect(listen({ port, ...options })).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    } finally {
      holder.close()
    }
  })

  it('the error of a foreign listen address says that it is not of this machine', async () => {
    await expect(
      listen({ host: '192.0.2.1', port: 0, credentials: makeCredentials(), onChannel: () => undefined }),
    ).rejects.toMatchObject({ code: 'ADDRESS_NOT_LOCAL' })
  })
})
