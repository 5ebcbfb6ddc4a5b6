import { randomBytes } from 'node:crypto'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { CheckResult, CheckStep, CheckRoute } from '../../../../src/tor/check/check.ts'
import { checkReachability } from '../../../../src/tor/check/check.ts'
import { startTestRelay, type TestRelay } from '../../../conformance/relay.ts'

/* Against a real relay on loopback; how tor's own answers come about is seen with a real tor elsewhere. */

const onion = 'opzuh7zruzglastucbfbibrchuwztgncnwpg5kore65jj7vhkmvwumyd.onion'

let relay: TestRelay
let port: number
beforeAll(async () => {
  relay = await startTestRelay({ store: 'memory' })
  port = relay.address.port
})
afterAll(() => relay.stop())

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function listen(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    serve(socket)
  })
  closers.push(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** A SOCKS port that answers every request with this reply. */
async function socks(reply: number): Promise<CheckRoute> {
  const socksPort = await listen((socket) => {
    socket.once('data', () => {
      socket.write(Buffer.from([5, 0]))
      socket.once('data', () => socket.end(Buffer.from([5, reply, 0, 1, 0, 0, 0, 0, 0, 0])))
    })
  })
  return { type: 'socks', server: { host: '127.0.0.1', port: socksPort } }
}

function prove(
  change: { host?: string; port?: number; keyHash?: Buffer } = {},
  way: CheckRoute = { type: 'direct' },
): Promise<CheckResult> {
  return checkReachability({ host: '127.0.0.1', port, keyHash: relay.address.keyHash, ...change }, way)
}

const names = ({ steps }: CheckResult): string[] => steps.map(({ name }) => name)

describe('a reachability check', () => {
  it('a check of a running relay has every step with its time', async () => {
    const shown: CheckStep[] = []
    const at = new Date('2025-11-23T10:00:00Z')
    const target = { host: '127.0.0.1', port, keyHash: relay.address.keyHash }
    const proof = await checkReachability(
      target,
      { type: 'direct' },
      { onStep: (step) => shown.push(step), now: () => at },
    )
    expect(names(proof)).toEqual(['connect', 'tls', 'certificate', 'hello', 'ping'])
    expect(proof.steps).toEqual(shown)
    expect(proof.steps.filter(({ ms }) => ms === undefined).map(({ name }) => name)).toEqual(['certificate'])
    expect(proof.ms).toBeCloseTo(proof.steps.reduce((sum, { ms = 0 }) => sum + ms, 0))
    expect(proof.ms).toBeGreaterThan(0)
    expect(proof).toMatchObject({ at, host: '127.0.0.1', port, via: 'direct', versions: { min: 6, max: 20 } })
    expect(proof.fault).toBeUndefined()
  })

  it('a check of another relay ends at the certificate', async () => {
    const proof = await prove({ keyHash: randomBytes(32) })
    expect(names(proof)).toEqual(['connect', 'tls'])
    expect(proof.fault).toMatchObject({ step: 'certificate', code: 'OTHER_RELAY' })
  })

  it('a check without a listener has no step', async () => {
    const closed = await listen(() => undefined)
    closers.splice(0).forEach((close) => close())
    const proof = await prove({ port: closed })
    expect(names(proof)).toEqual([])
    expect(proof.fault).toMatchObject({ step: 'connect', code: 'HOST_REFUSED' })
  })

  it('a check of another kind of server ends at TLS', async () => {
    const web = await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const proof = await prove({ port: web })
    expect(names(proof)).toEqual(['connect'])
    expect(proof.fault).toMatchObject({ step: 'tls', code: 'NO_TLS' })
  })

  it('a check of a relay that does not answer ends in time', async () => {
    const silent = await listen(() => undefined)
    const target = { host: '127.0.0.1', port: silent, keyHash: relay.address.keyHash }
    const proof = await checkReachability(target, { type: 'direct' }, { connectTimeoutMs: 200 })
    expect(proof.fault).toMatchObject({ step: 'tls', code: 'RELAY_TIMEOUT' })
  })

  it.each([
    [0xf0, 'ONION_NOT_PUBLISHED'],
    [0xf2, 'ONION_UNREACHABLE'],
    [0xf4, 'ONION_AUTHORIZATION'],
    [0xf6, 'ONION_NAME'],
    [0xf7, 'ONION_TIMEOUT'],
    [0x04, 'ONION_UNREACHABLE'],
    [0x05, 'ONION_REFUSED'],
  ])('a SOCKS reply of %i is explained as %s', async (reply, code) => {
    const proof = await prove({ host: onion }, await socks(reply))
    expect(proof).toMatchObject({ via: 'socks', fault: { step: 'connect', code } })
  })

  it('a check through an absent SOCKS port says so', async () => {
    const server = { host: '127.0.0.1', port: 1 }
    const proof = await prove({ host: onion }, { type: 'socks', server })
    expect(proof.fault).toMatchObject({ step: 'connect', code: 'SOCKS_UNAVAILABLE' })
  })
})

describe('a check from this machine', () => {
  it('names a proxy that sends a PROXY header to the relay', async () => {
    const front = await listen((socket) => {
      const onward = connect(port, '127.0.0.1').on('error', () => undefined)
      closers.push(() => onward.destroy())
      onward.write('PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n')
      socket.pipe(onward).pipe(socket)
    })
    expect((await prove({ port: front })).fault).toMatchObject({ code: 'FRONT_PROXY_HEADER' })
  })
})
