import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { serveLines, type LineConversation, type LineServer } from '../../../src/transport/line-server.ts'

let server: LineServer | undefined
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await server?.close()
})

/** Trusts whoever says `login`; answers `flood` with more than the system buffers. */
class Conversation implements LineConversation {
  readonly greeting = ['hello']
  readonly ended = false
  readonly idleMs = 60_000
  trusted = false

  async *answer(line: string): AsyncGenerator<string> {
    await Promise.resolve()
    if (line === 'login') this.trusted = true
    if (line === 'flood') for (let count = 0; count < 10_000; count++) yield 'x'.repeat(2000)
    yield `got ${line}`
  }
}

async function start(maxConnections: number): Promise<number> {
  server = await serveLines({
    host: '127.0.0.1',
    port: 0,
    portKey: 'control_port',
    maxLineLength: 100,
    maxConnections,
    converse: () => new Conversation(),
  })
  return server.port
}

/** A connection that was greeted. */
async function greeted(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  sockets.push(socket)
  expect(String(await once(socket, 'data'))).toBe('hello\n')
  return socket
}

async function ask(socket: Socket, line: string): Promise<string> {
  socket.write(`${line}\n`)
  return String(await once(socket, 'data'))
}

describe('line-server', () => {
  it('a new connection replaces the oldest one that has not logged in', async () => {
    const port = await start(2)
    const admin = await greeted(port)
    expect(await ask(admin, 'login')).toBe('got login\n')
    const stranger = await greeted(port)
    const told = once(stranger, 'data')
    const next = await greeted(port)
    expect(String(await told)).toBe('error: too many connections\n')
    expect(await ask(admin, 'still here')).toBe('got still here\n')
    expect(await ask(next, 'me too')).toBe('got me too\n')
  })

  it('a stranger that does not read its answer cannot keep its place', async () => {
    const port = await start(1)
    const silent = await greeted(port)
    silent.pause()
    silent.write('flood\n')
    const gone = once(silent, 'close')
    expect(await ask(await greeted(port), 'hi')).toBe('got hi\n')
    silent.resume()
    await gone
  })

  it('a new connection is refused when everybody has logged in', async () => {
    const port = await start(1)
    const admin = await greeted(port)
    await ask(admin, 'login')
    const refused = connect(port, '127.0.0.1')
    sockets.push(refused)
    expect(String(await once(refused, 'data'))).toBe('error: too many connections\n')
    expect(await ask(admin, 'still here')).toBe('got still here\n')
  })
})
