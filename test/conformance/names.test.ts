import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NameResolverOptions } from '../../src/server/name-resolver.ts'
import { commands } from '../client/commands.ts'
import type { Reply } from '../client/replies.ts'
import { nameRecord } from './name-record.ts'
import { err, pong } from './setting.ts'
import { relayOf, through } from './through-proxy.ts'
import { withTunedRelay } from './tuned.ts'

const none = Buffer.alloc(0)
const LIMIT = 1024
type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** What the resolver does with the next request, and what was asked of it. */
let answer: Answer = (response) => response.end()
const asked: { url: string | undefined; headers: IncomingMessage['headers']; method: string | undefined }[] = []
const http = createServer((request, response) => {
  asked.push({ url: request.url, headers: request.headers, method: request.method })
  answer(response, request)
})
let options: Partial<NameResolverOptions> = {}
const names = (): NameResolverOptions => {
  const address = http.address()
  const port = typeof address === 'object' && address !== null ? address.port : 1
  const endpoint = `http://127.0.0.1:${port}`
  return { endpoint, timeoutMs: 300, maxResponseBytes: LIMIT, concurrency: 1000, ...options }
}

const relay = withTunedRelay({ optionsAtStart: () => ({ names: names() }) })
const without = withTunedRelay()

beforeAll(async () => {
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  await relay.restart()
})
afterAll(() => {
  http.closeAllConnections()
  http.close()
})

const resolve = async (name: string, setting = relay): Promise<Reply> => {
  const client = await setting.connect({ version: 20 })
  return client.request({ entityId: none, bytes: commands.rslv(name) })
}

const withAnswer = (next: Answer, name = 'alice.simplex'): Promise<Reply> => {
  answer = next
  return resolve(name)
}
const withJson = (value: unknown): Promise<Reply> => withAnswer((response) => response.end(JSON.stringify(value)))
const record = (name: string): string => JSON.stringify(nameRecord(name))
/** The record with these bytes for its name. */
const withName = (name: Buffer): Buffer => {
  const text = record('@')
  const at = text.indexOf('@')
  return Buffer.concat([Buffer.from(text.slice(0, at)), name, Buffer.from(text.slice(at + 1))])
}
const resolverError = (text: string): Reply => err(`NAME RESOLVER ${text}`)
const notFound = err('NAME NOT_FOUND')

/** Records of which clients could not read anything. */
const incomplete = (): [what: string, json: string][] => {
  const whole = nameRecord('alice.simplex')
  const texts = ['name', 'nickname', 'website', 'location', 'owner', 'resolver'] as const
  const lists = ['simplexContact', 'simplexChannel'] as const
  const spoilt = (key: string, part: unknown): string => JSON.stringify({ ...whole, [key]: part })
  return [
    ...[...texts, ...lists].map((key): [string, string] => [`${key} is missing`, spoilt(key, undefined)]),
    ...[...texts, ...lists].map((key): [string, string] => [`${key} is null`, spoilt(key, null)]),
    ...texts.map((key): [string, string] => [`${key} is no text`, spoilt(key, 5)]),
    ...lists.map((key): [string, string] => [`${key} is no list`, spoilt(key, 'smp://a')]),
    ...lists.map((key): [string, string] => [`${key} holds something else than text`, spoilt(key, ['smp://a', 1])]),
    ...['eth', 'btc', 'xmr', 'dot'].map((key): [string, string] => [`${key} is no text`, spoilt(key, {})]),
  ]
}

describe('RSLV of a name that the resolver knows', () => {
  it('is RNAME: all keys in their order, coins that are missing are null, nothing else', async () => {
    const { eth, btc, xmr, dot, ...withoutCoins } = nameRecord('alice.simplex')
    expect(await withJson(withoutCoins)).toEqual({
      type: 'RNAME',
      json: JSON.stringify({ ...nameRecord('alice.simplex'), eth, btc, xmr, dot }),
    })
    const all = {
      resolver: 'r',
      owner: 'o',
      dot: 'd',
      xmr: 'x',
      btc: 'b',
      eth: 'e',
      simplexChannel: ['smp://c'],
      simplexContact: ['smp://a', 'smp://b'],
      location: 'Ø',
      website: 'https://alice.example',
      nickname: 'Älice "A"',
      name: 'alice.simplex',
    }
    const json = JSON.stringify(Object.fromEntries(Object.entries(all).reverse()))
    expect(await withJson({ ...all, more: 1 })).toEqual({ type: 'RNAME', json: reordered(json) })
  })

  /** Keys of the full answer in the order in which clients are told. */
  const reordered = (json: string): string => {
    const value = JSON.parse(json) as Record<string, unknown>
    const before = ['name', 'nickname', 'website', 'location', 'simplexContact', 'simplexChannel']
    const keys = [...before, 'eth', 'btc', 'xmr', 'dot', 'owner', 'resolver']
    return JSON.stringify(Object.fromEntries(keys.map((key) => [key, value[key]])))
  }

  it('asks with GET for the name in lower case, takes JSON, and tells the resolver nothing else', async () => {
    asked.length = 0
    await withAnswer((response) => response.end(record('x.y')), 'Alice-1.Shop.Example and the rest is ignored')
    expect(asked.map(({ method, url }) => [method, url])).toEqual([['GET', '/resolve/alice-1.shop.example']])
    expect(asked[0]?.headers.accept).toBe('application/json')
    expect(asked[0]?.headers.authorization).toBe(undefined)
  })

  it('comes with the corrId of its command and no entity, in any order', async () => {
    const client = await relay.connect({ version: 20 })
    answer = (response, request) => {
      const slow = request.url?.includes('slow') === true
      setTimeout(() => response.end(record(request.url?.slice(9) ?? '')), slow ? 100 : 0)
    }
    const order: string[] = []
    const ask = async (name: string): Promise<void> => {
      const reply = await client.request({ entityId: none, bytes: commands.rslv(name) })
      expect(reply).toMatchObject({ type: 'RNAME', json: expect.stringContaining(`"${name}"`) as string })
      order.push(name)
    }
    await Promise.all([ask('slow.simplex'), ask('fast.simplex')])
    expect(order).toEqual(['fast.simplex', 'slow.simplex'])
  })

  it('is answered through a proxy as well', async () => {
    const sender = await without.connect()
    const behind = await relayOf(sender, relay.address)
    answer = (response) => response.end(record('alice.simplex'))
    const command = { entityId: none, bytes: commands.rslv('alice.simplex') }
    expect(await through(sender, behind, command)).toMatchObject({ entityId: none, reply: { type: 'RNAME' } })
    answer = (response) => response.writeHead(404).end()
    expect((await through(sender, behind, command)).reply).toEqual(notFound)
  })
})

describe('RSLV is answered with', () => {
  it.each<[string, string, Answer]>([
    ['NAME NOT_FOUND', 'the resolver says 404', (response) => response.writeHead(404).end('not here')],
    ['NAME NOT_FOUND', 'the resolver says 400', (response) => response.writeHead(400).end()],
    ['NAME RESOLVER HTTP 401', 'the resolver says 401', (response) => response.writeHead(401).end()],
    ['NAME RESOLVER HTTP 429', 'the resolver says 429', (response) => response.writeHead(429).end()],
    ['NAME RESOLVER HTTP 500', 'the resolver says 500', (response) => response.writeHead(500).end('oops')],
    ['NAME RESOLVER HTTP 503', 'the resolver says 503', (response) => response.writeHead(503).end()],
    [
      'NAME RESOLVER response too large',
      'the answer says that it is too large',
      (response) => response.writeHead(200, { 'content-length': LIMIT + 1 }).end(nameOfSize(LIMIT + 1)),
    ],
    [
      'NAME RESOLVER response too large',
      'the answer becomes too large',
      (response) => {
        response.write(' '.repeat(LIMIT))
        setTimeout(() => response.end(' '), 5)
      },
    ],
    ['NAME RESOLVER invalid response', 'the answer is no JSON', (response) => response.end('<html>')],
    [
      'NAME RESOLVER invalid response',
      'the answer is not UTF-8, and would outgrow a block if its faults were replaced',
      (response) => response.end(withName(Buffer.alloc(800, 0xff))),
    ],
    ['NAME RESOLVER invalid response', 'the answer is empty', (response) => response.end()],
    ['NAME RESOLVER invalid response', 'the answer is a list', (response) => response.end('[]')],
    ['NAME RESOLVER invalid response', 'the answer is null', (response) => response.end('null')],
    ['NAME RESOLVER invalid response', 'the answer has no name', (response) => response.end('{}')],
    ...incomplete().map(([what, json]): [string, string, Answer] => [
      'NAME RESOLVER invalid response',
      what,
      (response) => response.end(json),
    ]),
    ['NAME RESOLVER timeout', 'no answer comes', () => undefined],
    [
      'NAME RESOLVER timeout',
      'the answer never ends',
      (response) => {
        response.write('{"name":')
      },
    ],
    ['NAME RESOLVER transport failure', 'the resolver hangs up', (_, request) => request.socket.destroy()],
    [
      'NAME RESOLVER transport failure',
      'the resolver hangs up in the middle',
      (response, request) => {
        response.writeHead(200, { 'content-length': 100 }).write('{"name":')
        setTimeout(() => request.socket.destroy(), 5)
      },
    ],
    [
      'NAME RESOLVER transport failure',
      'what answers does not speak HTTP',
      (_, request) => request.socket.end('220 mail.example ESMTP\r\n'),
    ],
  ])('%s when %s', async (error, _, next) => {
    expect(await withAnswer(next)).toEqual(err(error))
  })

  const nameOfSize = (size: number): string => record('x'.repeat(size - record('').length))

  it('RNAME when the answer is as large as it may be', async () => {
    expect((await withAnswer((response) => response.end(nameOfSize(LIMIT)))).type).toBe('RNAME')
  })

  it('NAME RESOLVER transport failure when the resolver redirects, and the other place is not asked', async () => {
    asked.length = 0
    const redirect: Answer = (response) => response.writeHead(302, { location: '/resolve/other.simplex' }).end()
    expect(await withAnswer(redirect)).toEqual(resolverError('transport failure'))
    expect(asked.length).toBe(1)
  })

  it.each([
    'alice',
    '',
    'a..b',
    '.a.b',
    'a.b.',
    '-a.b',
    'a-.b',
    'a--b.c',
    'a_b.c',
    'ä.simplex',
    `${'a'.repeat(64)}.b`,
    `${'a.'.repeat(126)}ab`,
    '\talice.simplex',
    'a/b.c',
    'a%20b.c',
  ])('CMD SYNTAX for %j, and nobody is asked', async (name) => {
    asked.length = 0
    expect(await withAnswer((response) => response.end(record('x.y')), name)).toEqual(err('CMD SYNTAX'))
    expect(asked.length).toBe(0)
  })

  it('CMD HAS_AUTH when it comes with an entity', async () => {
    const client = await relay.connect({ version: 20 })
    expect(await client.request({ entityId: Buffer.of(1), bytes: commands.rslv('alice.simplex') })).toEqual(
      err('CMD HAS_AUTH'),
    )
  })

  it('NAME NO_RESOLVER where the operator set none', async () => {
    expect(await resolve('alice.simplex', without)).toEqual(err('NAME NO_RESOLVER'))
  })
})

describe('the resolver', () => {
  it('that does not listen is a transport failure, and the relay serves on', async () => {
    options = { endpoint: 'http://127.0.0.1:1' }
    await relay.restart()
    options = {}
    const client = await relay.connect({ version: 20 })
    expect(await client.request({ entityId: none, bytes: commands.rslv('alice.simplex') })).toEqual(
      resolverError('transport failure'),
    )
    expect(await client.ping()).toEqual(pong)
  })

  it('is shown the authorization that the operator set', async () => {
    options = { authorization: 'Bearer secret' }
    await relay.restart()
    options = {}
    asked.length = 0
    await withAnswer((response) => response.end(record('x.y')))
    expect(asked[0]?.headers.authorization).toBe('Bearer secret')
  })

  it('is asked for no more names at once than the operator set; the others wait and are answered', async () => {
    options = { concurrency: 3, timeoutMs: 5000 }
    await relay.restart()
    options = {}
    let [asking, most] = [0, 0]
    answer = (response) => {
      most = Math.max(most, ++asking)
      setTimeout(() => {
        asking--
        response.end(record('x.y'))
      }, 10)
    }
    const clients = await Promise.all([relay.connect(), relay.connect(), relay.connect()])
    const replies = await Promise.all(
      clients.flatMap((client) =>
        Array.from({ length: 8 }, () => client.request({ entityId: none, bytes: commands.rslv('alice.simplex') })),
      ),
    )
    expect(replies.map(({ type }) => type)).toEqual(replies.map(() => 'RNAME'))
    expect(most).toBe(3)
  })

  it('is counted: what was asked, found, not found, failed, and asked without one', async () => {
    await relay.restart()
    await withJson(nameRecord('a.b'))
    await withAnswer((response) => response.writeHead(404).end())
    await withAnswer((response) => response.writeHead(500).end())
    expect(relay.serving.stats.names).toEqual({ reqs: 3, succ: 1, notFound: 1, resolverErrs: 1, disabled: 0 })
    const before = { ...without.serving.stats.names }
    await resolve('alice.simplex', without)
    expect(without.serving.stats.names).toEqual({ ...before, reqs: before.reqs + 1, disabled: before.disabled + 1 })
  })
})
