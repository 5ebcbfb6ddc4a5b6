import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectClient, type SmpClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import type { Queue } from '../client/queue.ts'
import { buildProgram, type CommandResult, freePort, Installation, type RunningCommand } from './cli-process.ts'

/** One relay, whose settings change while clients use it. */
const relay = new Installation()
let address: RelayAddress
let running: RunningCommand
let password = 'first'

beforeAll(async () => {
  await buildProgram()
  address = await relay.initialize('--password', password, '--ip', '127.0.0.1')
  running = relay.start(['start'])
  await running.shows(/Listening on port/)
})
afterAll(() => relay.remove())

const denied = { type: 'ERR', error: 'AUTH' }

/** Sends without a pause until it is told to stop; what was acknowledged, in order. */
class Traffic {
  readonly sent: string[] = []
  readonly received: string[] = []
  readonly #sender: SmpClient
  readonly #recipient: SmpClient
  readonly #queue: Queue
  readonly #ended: Promise<void>
  #isOver = false

  constructor(sender: SmpClient, recipient: SmpClient, queue: Queue) {
    this.#sender = sender
    this.#recipient = recipient
    this.#queue = queue
    this.#ended = Promise.all([this.#send(), this.#receive()]).then(() => undefined)
  }

  /** Resolves when everything that was sent has arrived; rejects when a connection was lost. */
  async end(): Promise<void> {
    this.#isOver = true
    const lost = Promise.race([this.#sender.closed, this.#recipient.closed]).then(() => {
      throw new Error('a connection was lost')
    })
    await Promise.race([this.#ended, lost])
  }

  async #send(): Promise<void> {
    while (!this.#isOver) {
      const text = `message ${this.sent.length}`
      const reply = await this.#sender.send(this.#queue, text)
      if (reply.type === 'OK') this.sent.push(text)
    }
    expect(await this.#sender.send(this.#queue, 'last')).toEqual({ type: 'OK' })
  }

  async #receive(): Promise<void> {
    let message = await this.#recipient.receive(this.#queue)
    for (;;) {
      const text = message.type === 'message' ? message.body.toString() : ''
      const reply = await this.#recipient.ack(this.#queue, message.id)
      if (text === 'last') return
      this.received.push(text)
      message =
        reply.type === 'MSG' ? this.#recipient.read(this.#queue, reply) : await this.#recipient.receive(this.#queue)
    }
  }
}

const creates = async (given: string, at = address): Promise<unknown> => {
  const client = await connectClient(at)
  const { reply } = await client.create({ password: given })
  await client.close()
  return reply.type === 'IDS' ? 'IDS' : reply
}

/** `password set` with a file of this text. */
const setPassword = (text: string): CommandResult => {
  const file = join(relay.root, 'password')
  writeFileSync(file, text, { mode: 0o600 })
  return relay.run(['password', 'set', '--password-file', file])
}

const leaf = (): string => readFileSync(join(relay.config, 'server.crt'), 'utf8')

describe('a relay that takes over changed settings', () => {
  it('keeps every connection and message while passwords, ports, limits and the certificate change', async () => {
    const [sender, recipient] = [await connectClient(address), await connectClient(address)]
    const queue = await recipient.createQueue({ password })
    const traffic = new Traffic(sender, recipient, queue)
    const second = { ...address, port: await freePort() }

    expect(setPassword('second\n')).toMatchObject({ status: 0 })
    expect(await creates(password)).toEqual(denied)
    password = 'second'
    expect(await creates(password)).toBe('IDS')

    relay.set('TRANSPORT', 'port', `${address.port},${second.port}`)
    relay.set('TRANSPORT', 'max_connections', '100')
    relay.set('STORE_LOG', 'expire_messages_days', '10')
    expect(relay.run(['reload'])).toMatchObject({
      status: 0,
      stdout: 'Applied: [STORE_LOG] expire_messages_days, [TRANSPORT] port, [TRANSPORT] max_connections.\n',
    })
    const third = await connectClient(second)
    expect(await creates(password, second)).toBe('IDS')

    const before = leaf()
    expect(relay.run(['cert'])).toMatchObject({ status: 0 })
    expect(leaf()).not.toBe(before)
    expect(relay.run(['reload'])).toMatchObject({ stdout: 'Applied: the certificate of the relay.\n' })
    expect(await creates(password)).toBe('IDS')

    relay.set('TRANSPORT', 'port', String(address.port))
    relay.set('AUTH', 'new_queues', 'off')
    expect(relay.run(['reload'])).toMatchObject({ stdout: 'Applied: [AUTH] new_queues, [TRANSPORT] port.\n' })
    expect(await creates(password)).toEqual(denied)
    await expect(connectClient(second)).rejects.toThrow()
    // The connection of a port that was given up stays.
    expect(await third.ping()).toEqual({ type: 'PONG' })

    await traffic.end()
    expect(traffic.sent.length).toBeGreaterThan(10)
    expect(traffic.received).toEqual(traffic.sent)
    await Promise.all([sender, recipient, third].map((client) => client.close()))
  }, 60_000)

  it('says which changes wait for a restart, at SIGHUP as well, and keeps what it runs with', async () => {
    relay.set('AUTH', 'new_queues', 'on')
    relay.set('STORE_LOG', 'enable', 'off')
    running.kill('SIGHUP')
    await running.shows(/Applied: \[AUTH\] new_queues\. After a restart: \[STORE_LOG\] enable\.$/m)
    expect(await creates(password)).toBe('IDS')
    relay.set('STORE_LOG', 'enable', 'on')
    expect(relay.run(['reload', '--log-level', 'debug'])).toMatchObject({
      status: 0,
      stdout: 'No setting has changed.\nThe log level is debug until the next restart.\n',
    })
  })

  it('changes nothing when the file has a fault, or a new port is in use', async () => {
    const taken = await freePort()
    relay.set('TRANSPORT', 'control_port', String(taken))
    expect(relay.run(['reload'])).toMatchObject({ status: 0 })
    await running.shows(new RegExp(`Control port: 127.0.0.1:${taken}`))
    for (const [port, fault] of [
      ['70000', 'port = 70000: must be port numbers from 1 to 65535'],
      [`${address.port},${taken}`, `Cannot listen on port ${taken}`],
    ] as const) {
      relay.set('AUTH', 'create_password', 'third')
      relay.set('TRANSPORT', 'port', port)
      const { status, stdout } = relay.run(['reload'])
      expect(status).toBe(1)
      expect(stdout.toLowerCase()).toContain(fault.toLowerCase())
      await running.shows(/Reload failed, and nothing has changed\./)
      expect(await creates('third')).toEqual(denied)
      expect(await creates(password)).toBe('IDS')
    }
    relay.set('TRANSPORT', 'port', String(address.port))
    relay.set('AUTH', 'create_password', password)
    expect(relay.run(['reload']).stdout).toBe('No setting has changed.\n')
  })
})

describe('smp-server password', () => {
  it('rotates the password, shows it, and removes it only when that is confirmed', async () => {
    expect(relay.run(['password', 'rotate'])).toMatchObject({ status: 0 })
    expect(await creates(password)).toEqual(denied)
    const [, shown = ''] = /^Password: (\S+)$/m.exec(relay.run(['password', 'show']).stdout) ?? []
    expect(shown).toBe(relay.value('AUTH', 'create_password'))
    expect(await creates(shown)).toBe('IDS')
    expect(relay.run(['password', 'remove'])).toMatchObject({ status: 1 })
    expect(await creates('any')).toEqual(denied)
    expect(relay.run(['password', 'remove', '-y'])).toMatchObject({ status: 0 })
    expect(await creates('any')).toBe('IDS')
    expect(readFileSync(relay.ini, 'utf8')).not.toContain(shown)
  })

  it.each(['', '\n', 'a b\n', 'a@b\n', 'a:b\n', 'a/b\n'])('refuses the password %j and changes nothing', (text) => {
    const before = readFileSync(relay.ini, 'utf8')
    const { status, stdout } = setPassword(text)
    expect(status).toBe(1)
    expect(stdout).toMatch(/^Error: /)
    expect(readFileSync(relay.ini, 'utf8')).toBe(before)
  })

  it('says that the relay does not run, and has it use the password at its next start', async () => {
    running.kill('SIGINT')
    await running.ended()
    expect(setPassword('fourth\n').stdout).toContain('The relay is not running; it uses the change when it starts.\n')
    expect(relay.run(['reload']).stdout).toMatch(/^Error: No relay runs on /)
    expect(relay.run(['address']).stdout).toContain(':fourth@')
  })
})
