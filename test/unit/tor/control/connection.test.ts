import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/errors/app-error.ts'
import { ControlConnection } from '../../../../src/tor/control/connection.ts'
import { TorRefusal } from '../../../../src/tor/control/errors.ts'
import type { Answer, FakeTor } from '../fake-tor.ts'
import { fakeTor } from '../fake-tor.ts'

const tors: FakeTor[] = []
afterEach(async () => {
  for (const tor of tors.splice(0)) await tor.stop()
})

async function start(answer: (line: string, connection: number) => Answer = () => undefined): Promise<FakeTor> {
  const tor = await fakeTor(answer)
  tors.push(tor)
  return tor
}

async function fault(promise: Promise<unknown>): Promise<AppError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof AppError) return error
  throw new Error(`no AppError but ${String(error)}`)
}

describe('a control connection', () => {
  it('every command gets its own reply, with events in between', async () => {
    const tor = await start((line) =>
      line === 'GETINFO a' ? ['650 NETWORK_LIVENESS UP', '250-a=1', '250 OK', '650 X'] : ['250-b=2', '250 OK'],
    )
    const events: string[] = []
    const connection = await ControlConnection.open(tor.endpoint, {
      onEvent: ({ lines }) => events.push(lines[0]?.text ?? ''),
    })
    const [a, b] = await Promise.all([connection.send('GETINFO a'), connection.send('GETINFO b')])
    expect(a.lines[0]?.text).toBe('a=1')
    expect(b.lines[0]?.text).toBe('b=2')
    expect(events).toEqual(['NETWORK_LIVENESS UP', 'X'])
    connection.close()
  })

  it('a refusal becomes an error with status and reason', async () => {
    const tor = await start(() => ['552 Unknown Onion Service id'])
    const connection = await ControlConnection.open(tor.endpoint)
    const error = await fault(connection.send('DEL_ONION abc'))
    expect(error).toBeInstanceOf(TorRefusal)
    expect(error).toMatchObject({ status: 552, reason: 'Unknown Onion Service id' })
    expect(error.message).toBe('tor refused DEL_ONION: Unknown Onion Service id (552).')
    connection.close()
  })

  it('all waiting commands fail when tor closes, and later ones, too', async () => {
    const tor = await start((line) => (line === 'C' ? 'close' : undefined))
    const connection = await ControlConnection.open(tor.endpoint, { timeoutMs: 60_000 })
    const waiting = ['A', 'B', 'C'].map((command) => fault(connection.send(command)))
    for (const error of await Promise.all(waiting)) expect(error.code).toBe('TOR_CONTROL_CLOSED')
    expect((await connection.closed).code).toBe('TOR_CONTROL_CLOSED')
    expect((await fault(connection.send('D'))).code).toBe('TOR_CONTROL_CLOSED')
  })

  it('only the late command fails, and its late reply is not taken for that of the next one', async () => {
    const tor = await start((line) => (line === 'FAST' ? ['250 slow', '250 fast'] : undefined))
    const connection = await ControlConnection.open(tor.endpoint)
    const error = await fault(connection.send('SLOW secret', 30))
    expect(error.code).toBe('TOR_CONTROL_TIMEOUT')
    expect(error.message).not.toContain('secret')
    expect((await connection.send('FAST')).lines[0]?.text).toBe('fast')
    connection.close()
  })

  it('the connection ends when the peer does not speak the control protocol', async () => {
    const tor = await start(() => ['HTTP/1.1 400 Bad Request'])
    const connection = await ControlConnection.open(tor.endpoint)
    const error = await fault(connection.send('PROTOCOLINFO 1'))
    expect(error.code).toBe('TOR_CONTROL_GARBLED')
    expect(error.remedy).toContain('control under [TOR]')
  })

  it('the connection ends at a reply without a command', async () => {
    const tor = await start()
    const connection = await ControlConnection.open(tor.endpoint)
    await expect.poll(() => tor.connections.length).toBe(1)
    tor.say('250 OK')
    expect((await connection.closed).code).toBe('TOR_CONTROL_GARBLED')
  })

  it('a command is never sent as two lines', async () => {
    const tor = await start(() => ['250 OK'])
    const connection = await ControlConnection.open(tor.endpoint)
    await expect(connection.send('SIGNAL A\r\nSIGNAL B')).rejects.toThrow(TypeError)
    await connection.send('C')
    expect(tor.received).toEqual(['C'])
    connection.close()
  })

  it('an absent tor is named as such: no socket, no listener, nothing at the port', async () => {
    const tor = await start()
    const path = join(tor.directory, 'none')
    expect(await fault(ControlConnection.open({ type: 'unix', path }))).toMatchObject({
      code: 'TOR_CONTROL_ABSENT',
      message: `No tor answers at ${path}.`,
    })
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    const error = await fault(ControlConnection.open({ type: 'tcp', host: '127.0.0.1', port }))
    expect(error.code).toBe('TOR_CONTROL_ABSENT')
  })
})
