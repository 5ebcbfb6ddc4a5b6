import { randomBytes } from 'node:crypto'
import dns from 'node:dns'
import { createServer, type AddressInfo, type LookupFunction, type Server, type Socket } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { RelayAddress } from '../../../src/protocol/server-address.ts'
import { connectRelay, type ConnectOptions } from '../../../src/transport/client.ts'
import { connectVia } from '../../../src/transport/connector.ts'
import type { Route, SocksServer } from '../../../src/transport/route.ts'

const onion = `${'b'.repeat(56)}.onion`
const closers: (() => unknown)[] = []

afterEach(async () => {
  vi.restoreAllMocks()
  for (const close of closers.splice(0).reverse()) await close()
})

interface FakeSocks {
  readonly server: { readonly host: string; readonly port: number }
  readonly requests: Buffer[]
  readonly logins: string[]
}

/** A SOCKS5 proxy that answers every request with one code. */
async function socksThatAnswers(code: number, path?: string): Promise<FakeSocks> {
  const requests: Buffer[] = []
  const logins: string[] = []
  const sockets: Socket[] = []
  const server: Server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    let step: 'method' | 'login' | 'request' | 'done' = 'method'
    socket.on('data', (chunk: Buffer) => {
      if (step === 'method') {
        const method = chunk.includes(2, 2) ? 2 : 0
        step = method === 2 ? 'login' : 'request'
        socket.write(Buffer.of(5, method))
      } else if (step === 'login') {
        const user = chunk.subarray(2, 2 + (chunk[1] ?? 0)).toString()
        logins.push(user)
        step = 'request'
        socket.write(Buffer.of(1, 0))
      } else {
        requests.push(chunk)
        if (step === 'done') return
        step = 'done'
        socket.write(Buffer.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0))
      }
    })
  })
  await new Promise<void>((resolve) =>
    path === undefined ? server.listen(0, '127.0.0.1', resolve) : server.listen(path, resolve),
  )
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { server: { host: '127.0.0.1', port }, requests, logins }
}

function addressOf(host: string): RelayAddress {
  return { keyHash: randomBytes(32), hosts: [host], port: '' }
}

async function failure(host: string, options: ConnectOptions): Promise<string> {
  const result = await connectRelay(addressOf(host), { timeoutMs: 2000, ...options })
  return 'failure' in result ? `${result.failure.step} ${result.failure.reason}` : 'connected'
}

describe('connector', () => {
  it('a .onion name never reaches DNS, with or without SOCKS', async () => {
    const asked: string[] = []
    const socks = await socksThatAnswers(4)
    for (const name of ['lookup', 'resolve', 'resolve4', 'resolve6', 'resolveAny'] as const) {
      vi.spyOn(dns, name).mockImplementation((host: string) => asked.push(host))
    }
    const lookup: LookupFunction = (host) => asked.push(host)
    expect(await failure(onion, { lookup })).toBe('address noHost')
    expect(await failure(onion.toUpperCase(), { lookup })).toBe('address noHost')
    expect(await failure(onion, { lookup, routing: { socks: socks.server } })).toBe('connect unreachable')
    expect(asked).toEqual([])
    expect(socks.requests[0]?.subarray(0, 5)).toEqual(Buffer.of(5, 1, 0, 3, onion.length))
    expect(socks.requests[0]?.subarray(5, 5 + onion.length).toString()).toBe(onion)
    expect(socks.requests[0]?.readUInt16BE(5 + onion.length)).toBe(5223)
  })

  it.each([
    'abc\u3002onion',
    'abc.\uff4fnion',
    'abc.on\u00adion',
    'abc.onio\u200bn',
    'abc.\u24de\u24dd\u24d8\u24de\u24dd',
    'abc\uff0eONION',
    'abc.onion..',
    'ABC.ONION.',
    'onion',
    'a.xn--a.onion',
  ])('%j never reaches DNS, as a relay or as a proxy', async (host) => {
    const asked: string[] = []
    vi.spyOn(dns, 'lookup').mockImplementation((name: string) => asked.push(name))
    const lookup: LookupFunction = (name) => asked.push(name)
    const signal = new AbortController().signal
    const routes: Route[] = [
      { via: 'direct', host },
      { via: 'socks', host: onion, socks: { host, port: 9050 } },
    ]
    for (const route of routes) {
      await expect(connectVia(route, 5223, { signal, lookup })).rejects.toMatchObject({ failure: { step: 'connect' } })
    }
    expect(asked).toEqual([])
  })

  it('a .onion name is stopped before DNS even on a wrong route', async () => {
    const asked: string[] = []
    const lookup: LookupFunction = (host) => asked.push(host)
    await expect(
      connectVia({ via: 'direct', host: onion }, 5223, { signal: new AbortController().signal, lookup }),
    ).rejects.toMatchObject({ failure: { reason: 'unresolved' } })
    expect(asked).toEqual([])
  })
})

describe('connector', () => {
  it('a public name is looked up only when connected to directly', async () => {
    const asked: string[] = []
    const lookup: LookupFunction = (host, _, callback) => {
      asked.push(host)
      callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), [])
    }
    expect(await failure('relay.example', { lookup })).toBe('connect unresolved')
    expect(asked).toEqual(['relay.example'])
    const socks = await socksThatAnswers(4)
    await failure('relay.example', { lookup, routing: { socks: socks.server, socksMode: 'always' } })
    expect(asked).toEqual(['relay.example'])
    expect(socks.requests[0]?.toString('latin1')).toContain('relay.example')
  })
})

describe('connector', () => {
  it.each([
    [0x01, 'connect unreachable'],
    [0x02, 'connect unreachable'],
    [0x03, 'connect unreachable'],
    [0x04, 'connect unreachable'],
    [0x05, 'connect refused'],
    [0x06, 'connect timeout'],
    [0x07, 'connect proxyUnavailable'],
    [0xf0, 'connect descriptorNotFound'],
    [0xf1, 'connect unreachable'],
    [0xf2, 'connect unreachable'],
    [0xf3, 'connect unreachable'],
    [0xf4, 'connect authorizationNeeded'],
    [0xf5, 'connect authorizationNeeded'],
    [0xf6, 'connect noHost'],
    [0xf7, 'connect timeout'],
  ])('SOCKS reply %i becomes a reason', async (code, expected) => {
    const socks = await socksThatAnswers(code)
    expect(await failure(onion, { routing: { socks: socks.server } })).toBe(expected)
  })

  it('a successful SOCKS reply is followed by TLS', async () => {
    const socks = await socksThatAnswers(0)
    expect(await failure(onion, { routing: { socks: socks.server }, timeoutMs: 300 })).toBe('tls timeout')
    expect(socks.requests[1]?.[0]).toBe(0x16)
  })

  it('the SOCKS proxy gets a user name, which isolates circuits', async () => {
    const socks = await socksThatAnswers(4)
    const server: SocksServer = { ...socks.server, username: 'one', password: '' }
    expect(await failure(onion, { routing: { socks: server } })).toBe('connect unreachable')
    expect(socks.logins).toEqual(['one'])
  })

  it('the SOCKS proxy can listen on a unix socket', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'smp-socks-'))
    closers.push(() => rm(directory, { recursive: true }))
    const path = join(directory, 'socks')
    await socksThatAnswers(5, path)
    expect(await failure(onion, { routing: { socks: { path } } })).toBe('connect refused')
  })
})

describe('connector', () => {
  async function serverThat(act: (socket: Socket) => void): Promise<SocksServer> {
    const sockets: Socket[] = []
    const server = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      act(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
  }

  it('a missing SOCKS proxy is distinguished from a missing relay', async () => {
    const server = await serverThat(() => undefined)
    await closers.pop()?.()
    expect(await failure(onion, { routing: { socks: server } })).toBe('connect proxyUnavailable')
  })

  it('a SOCKS proxy that speaks another protocol or disconnects is reported as a proxy failure', async () => {
    const other = await serverThat((socket) => socket.write('HTTP/1.0 400 Bad Request\r\n\r\n'))
    expect(await failure(onion, { routing: { socks: other } })).toBe('connect proxyUnavailable')
    const leaves = await serverThat((socket) => socket.once('data', () => socket.destroy()))
    expect(await failure(onion, { routing: { socks: leaves } })).toBe('connect proxyUnavailable')
  })

  it('a silent SOCKS proxy ends in a timeout', async () => {
    const silent = await serverThat(() => undefined)
    const start = performance.now()
    expect(await failure(onion, { routing: { socks: silent }, timeoutMs: 200 })).toBe('connect timeout')
    expect(performance.now() - start).toBeLessThan(1500)
  })
})
