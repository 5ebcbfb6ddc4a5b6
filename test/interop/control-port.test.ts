import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { connectClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import { ControlClient } from '../conformance/control-client.ts'
import { buildProgram, freePort, Installation, type RunningCommand } from './cli-process.ts'

beforeAll(buildProgram)

let relay: Installation
let address: RelayAddress
let controlPort: number
let adminPassword: string

beforeEach(async () => {
  relay = new Installation()
  controlPort = await freePort()
  address = await relay.initialize(
    ...['--no-password', '--disable-web', '--ip', '127.0.0.1', `--control-port=${controlPort}`],
  )
  adminPassword = relay.value('AUTH', 'control_port_admin_password') ?? ''
})
afterEach(() => relay.remove())

async function start(): Promise<RunningCommand> {
  const running = relay.start(['start'])
  await running.shows(/Listening on port/)
  return running
}

/** What nc prints for this input, which ends when the relay closes the connection. */
function nc(input: string): Promise<string> {
  const child = spawn('nc', ['127.0.0.1', String(controlPort)], { stdio: ['pipe', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve(output))
  })
}

async function admin(): Promise<ControlClient> {
  const client = await ControlClient.connect(controlPort)
  expect(await client.ask(`auth ${adminPassword}`)).toEqual(['Current role is CPRAdmin'])
  return client
}

describe('the control port of a relay that init made', () => {
  it('answers nc, with the password that only the owner of the INI file can read', async () => {
    await start()
    expect(statSync(relay.ini).mode & 0o077).toBe(0)
    const help =
      'commands: stats, stats-rts, clients, sockets, socket-threads, threads, server-info, delete, save, help, quit\n'
    expect(await nc('help\nquit\n')).toBe(`SMP server control port\n'help' for supported commands\n${help}`)
    expect(await nc(`auth ${adminPassword}\r\nsave\r\nquit\r\n`)).toContain(
      'Current role is CPRAdmin\nsaving server state...\nserver state saved!\n',
    )
  })

  it('is reached on 127.0.0.1 alone', async () => {
    await start()
    const refused = (host: string): Promise<unknown> =>
      new Promise((resolve) => {
        const socket = connect({ port: controlPort, host }, () => {
          socket.destroy()
          resolve(`${host} answers`)
        })
        socket.once('error', () => resolve('refused'))
      })
    expect(await refused('127.0.0.2')).toBe('refused')
    expect(await refused('::1')).toBe('refused')
  })

  it('keeps what it said "ok" to when the relay is killed', { timeout: 120_000 }, async () => {
    let running = await start()
    const owner = await connectClient(address)
    const [blocked, unblocked, deleted] = [
      await owner.createQueue({ subscribe: false }),
      await owner.createQueue({ subscribe: false }),
      await owner.createQueue({ subscribe: false }),
    ]
    const [a, b, c] = [blocked, unblocked, deleted].map(({ sndId }) => sndId.toString('base64url'))
    const steps: [string, RegExp, string, RegExp][] = [
      [`block ${a} reason=spam`, /^ok, queue blocked/, `status ${a}`, /^status: EntityBlocked/],
      [`block ${b} reason=content`, /^ok, queue blocked/, `status ${b}`, /^status: EntityBlocked/],
      [`unblock ${b}`, /^ok, queue unblocked/, `status ${b}`, /^status: EntityActive/],
      [`delete ${c}`, /^ok, 0 messages deleted/, `status ${c}`, /^error: AUTH/],
    ]
    for (const [command, answer, question, after] of steps) {
      const client = await admin()
      client.send(`${command}\n`)
      const [line] = await client.lines(1)
      running.kill('SIGKILL')
      expect(line).toMatch(answer)
      const { stderr } = await running.ended()
      expect(stderr).toContain(`ControlPort: ${command.split(' ')[0]}\n`)
      for (const secret of [a, b, c, adminPassword]) expect(stderr).not.toContain(secret)
      running = await start()
      const again = await admin()
      expect((await again.ask(question))[0]).toMatch(after)
      again.close()
    }
  })

  it('ends with the relay, whoever is connected', async () => {
    const running = await start()
    const client = await admin()
    running.kill('SIGINT')
    expect((await running.ended()).status).toBe(0)
    expect(await client.rest()).toBe('')
    client.close()
  })

  it('is done without when another process has it', async () => {
    const other = createServer()
    await new Promise<void>((done) => other.listen(controlPort, '127.0.0.1', done))
    const running = await start()
    await new Promise((done) => other.close(done))
    expect(running.output.stderr).toMatch(
      /WARN .*Control port not opened\. Cannot listen on port \d+ of 127\.0\.0\.1: .* or choose another `control_port` in section \[TRANSPORT\]/,
    )
    const client = await connectClient(address)
    await client.createQueue()
    await client.close()
  })
})
