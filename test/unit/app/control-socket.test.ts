import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { askRelay } from '../../../src/app/control-socket/client.ts'
import { type Answers, type ControlSocket, openControlSocket } from '../../../src/app/control-socket/server.ts'
import { AppError } from '../../../src/errors/app-error.ts'
import { type Logger, silentLogger } from '../../../src/config/log.ts'

let directory: string
let path: string
let lines: string[]
let log: Logger
const open: ControlSocket[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-control-'))
  path = join(directory, 'control.sock')
  lines = []
  log = { ...silentLogger, warn: (line) => lines.push(line), error: (line) => lines.push(line) }
})
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close()
  await rm(directory, { recursive: true })
})

async function listen(answers: Answers, at = path): Promise<ControlSocket | undefined> {
  const socket = await openControlSocket({ path: at, answers, log })
  if (socket) open.push(socket)
  return socket
}

describe('the control socket', () => {
  it('answers a question with a JSON value', async () => {
    await listen({ 'GET /status': () => ({ queues: 3 }) })
    expect(await askRelay(path, 'GET /status')).toEqual({ queues: 3 })
  })

  it('hands the body of a POST to what answers', async () => {
    await listen({ 'POST /echo': (body) => Promise.resolve({ body }) })
    expect(await askRelay(path, 'POST /echo', { a: [1] })).toEqual({ body: { a: [1] } })
    expect(await askRelay(path, 'POST /echo')).toEqual({})
  })

  it('can be opened by its owner alone, from its first moment', async () => {
    await listen({})
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('gives an error for the operator to whoever asks, with its code and remedy', async () => {
    await listen({
      'POST /reload': () => {
        throw new AppError('INI_VALUE', 'port is missing.', 'Add it.')
      },
    })
    await expect(askRelay(path, 'POST /reload')).rejects.toMatchObject({
      code: 'INI_VALUE',
      message: 'port is missing.',
      remedy: 'Add it.',
    })
  })

  it('says when it does not know a question', async () => {
    await listen({})
    await expect(askRelay(path, 'GET /nothing')).rejects.toMatchObject({ code: 'RELAY_QUESTION' })
    await expect(askRelay(path, 'GET /constructor')).rejects.toMatchObject({ code: 'RELAY_QUESTION' })
  })

  it('survives a fault of what answers, and logs it', async () => {
    await listen({
      'GET /status': () => {
        throw new TypeError('a bug')
      },
    })
    await expect(askRelay(path, 'GET /status')).rejects.toMatchObject({ code: 'RELAY_QUESTION', message: 'a bug' })
    expect(lines).toEqual(['a question at the control socket failed'])
    expect(await askRelay(path, 'GET /ping')).toEqual({})
  })

  it('refuses a body that is too long, and one that is not JSON', async () => {
    await listen({ 'POST /echo': (body) => body })
    await expect(askRelay(path, 'POST /echo', 'x'.repeat(70_000))).rejects.toBeInstanceOf(AppError)
    const socket = connect(path)
    socket.write('POST /echo HTTP/1.1\r\nhost: relay\r\ncontent-length: 1\r\nconnection: close\r\n\r\n{')
    const text = await new Promise<string>((resolve) => {
      let all = ''
      socket.on('data', (chunk: Buffer) => (all += chunk.toString()))
      socket.on('close', () => resolve(all))
    })
    expect(text).toMatch(/^HTTP\/1\.1 500 [\s\S]*RELAY_QUESTION/)
  })

  it('is removed when the relay stops; then no relay answers', async () => {
    const socket = await listen({})
    await socket?.close()
    expect(existsSync(path)).toBe(false)
    expect(await askRelay(path, 'GET /status')).toBeUndefined()
  })

  it('takes the place of one that a killed relay left behind', async () => {
    writeFileSync(path, '')
    expect(await askRelay(path, 'GET /status')).toBeUndefined()
    await listen({ 'GET /status': () => 'new' })
    expect(await askRelay(path, 'GET /status')).toBe('new')
  })

  it('leaves that of another running relay alone, and says so', async () => {
    await listen({ 'GET /status': () => 'first' })
    expect(await listen({ 'GET /status': () => 'second' })).toBeUndefined()
    expect(lines).toEqual([`another relay answers at ${path}: status and reload go to that one`])
    expect(await askRelay(path, 'GET /status')).toBe('first')
  })

  it('works below a directory whose path is longer than the kernel takes', async () => {
    const deep = join(directory, 'd'.repeat(120))
    mkdirSync(deep)
    const socket = await listen({ 'GET /status': () => 'deep' }, join(deep, 'control.sock'))
    expect(await askRelay(join(deep, 'control.sock'), 'GET /status')).toBe('deep')
    await socket?.close()
    expect(existsSync(join(deep, 'control.sock'))).toBe(false)
  })

  it('makes the state directory when there is none, for its owner alone', async () => {
    const state = join(directory, 'state')
    await listen({}, join(state, 'control.sock'))
    expect(statSync(state).mode & 0o777).toBe(0o700)
  })

  it('does not keep the relay from running when it cannot be opened', async () => {
    const file = join(directory, 'a file')
    writeFileSync(file, '')
    expect(await listen({}, join(file, 'control.sock'))).toBeUndefined()
    expect(lines[0]).toContain('cannot be opened')
  })
})
