import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SocksClient } from 'socks'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { connectClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import { isRunning, processMark } from '../../src/system/process-mark.ts'
import { torNetwork, type TorNetwork } from '../tor-network/fixture.ts'
import { buildProgram, Installation, type RunningCommand } from './cli-process.ts'

/*
 * keep_tor with the built program, as a client sees it that comes through an ordinary tor of the same network.
 */

let network: TorNetwork
const relay = new Installation()
let address: RelayAddress
let onion: string
let running: RunningCommand

beforeAll(async () => {
  network = await torNetwork(inject('torNetwork'))
  await buildProgram()
  const extra = join(relay.root, 'torrc-extra')
  writeFileSync(extra, `${network.joinTorrc.join('\n')}\n`)
  address = await relay.initialize('-n', '127.0.0.1', '--no-password', '--disable-web')
  expect(relay.run(['tor', 'setup', '--own', '-y', '--torrc-extra', extra]).status).toBe(0)
  relay.set('TOR', 'keep_tor', 'on')
  onion = relay.value('TRANSPORT', 'host')?.split(',')[1] ?? ''
  running = relay.start(['start'])
  await running.shows(/onion service: published/, 60_000)
}, 240_000)

afterAll(() => relay.remove())

/** One attempt over a circuit of its own; why it failed, if it did. */
async function attempt(login: string): Promise<string | undefined> {
  const { socksHost: host, socksPort: port } = network
  try {
    const { socket } = await SocksClient.createConnection({
      proxy: { host, port, type: 5, userId: login, password: login },
      command: 'connect',
      destination: { host: onion, port: 5223 },
      timeout: 20_000,
    })
    socket.destroy()
    return undefined
  } catch (error) {
    return String(error)
  }
}

/** Attempts from now on until told to stop. */
function client(): { readonly failures: string[]; stop(): Promise<void> } {
  const failures: string[] = []
  let isOver = false
  const attempts = async (): Promise<void> => {
    for (let count = 0; !isOver; count++) {
      const failure = await attempt(`keep-${process.pid}-${count}`)
      if (failure !== undefined) failures.push(failure)
      await sleep(50)
    }
  }
  const done = attempts()
  return {
    failures,
    stop: () => {
      isOver = true
      return done
    },
  }
}

interface Owned {
  readonly tor: { readonly pid: number }
}

/** The process of the relay's tor. */
function torPid(): number {
  return (JSON.parse(readFileSync(join(relay.state, 'tor', 'owner.json'), 'utf8')) as Owned).tor.pid
}

/** The process that tor ends after. */
function ownerPid(): number {
  const torrc = readFileSync(join(relay.state, 'tor', 'torrc'), 'utf8')
  return Number(/^__OwningControllerProcess (\d+)$/m.exec(torrc)?.[1])
}

async function startAgain(): Promise<void> {
  running = relay.start(['start'])
  await running.shows(/Listening on port/)
}

describe('keep_tor', () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'a relay that is ended with %s and started again has its tor and its service as they were',
    { timeout: 120_000 },
    async (signal) => {
      await expect.poll(() => attempt('before'), { timeout: 60_000 }).toBeUndefined()
      const tor = processMark(torPid())
      const through = client()
      running.kill(signal)
      await running.ended()
      expect(isRunning(tor)).toBe(true)
      await expect.poll(() => through.failures.length, { timeout: 20_000 }).toBeGreaterThan(2)
      await startAgain()
      const listeningAt = performance.now()
      await expect.poll(() => attempt('after'), { interval: 20 }).toBeUndefined()
      expect(performance.now() - listeningAt).toBeLessThan(10_000)
      await running.shows(/tor: goes on as it was kept/)
      await running.shows(/onion service: published/)
      await through.stop()
      // What a port gives that nobody listens on: the service itself never was away.
      expect(new Set(through.failures)).toEqual(new Set(['Error: Socks5 proxy rejected connection - Failure']))
      expect(processMark(torPid())).toEqual(tor)
      const socks = { host: network.socksHost, port: network.socksPort }
      const smp = await connectClient({ ...address, host: onion, port: 5223 }, { socks, timeoutMs: 20_000 })
      await smp.close()
    },
  )

  it(
    'a tor whose settings have changed, or whose relay does not want it any more, is ended',
    { timeout: 60_000 },
    async () => {
      const kept = processMark(torPid())
      running.kill('SIGKILL')
      await running.ended()
      relay.set('TOR', 'keep_tor', 'off')
      await startAgain()
      await running.shows(/tor: ended a tor that an earlier relay has left behind/)
      await running.shows(/onion service: published/, 40_000)
      expect(isRunning(kept)).toBe(false)
      const next = processMark(torPid())
      running.kill('SIGTERM')
      await running.ended()
      expect(isRunning(next)).toBe(false)
    },
  )

  it(
    'a tor that no relay adopts ends with its stand-in, and one that loses its stand-in gets another',
    { timeout: 90_000 },
    async () => {
      running.kill('SIGKILL')
      await running.ended()
      relay.set('TOR', 'keep_tor', 'on')
      await startAgain()
      await running.shows(/onion service: published/, 40_000)
      const tor = processMark(torPid())
      const first = ownerPid()
      process.kill(first, 'SIGKILL')
      await expect.poll(ownerPid).not.toBe(first)
      const second = processMark(ownerPid())
      running.kill('SIGKILL')
      await running.ended()
      expect([isRunning(second), isRunning(tor)]).toEqual([true, true])
      // It would end by itself after 40 s.
      process.kill(second.pid, 'SIGKILL')
      await expect.poll(() => isRunning(tor), { timeout: 25_000, interval: 200 }).toBe(false)
    },
  )
})
