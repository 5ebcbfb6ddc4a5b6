import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { connectClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import { buildProgram, freePort, Installation, type RunningCommand } from './cli-process.ts'

/*
 * The statistics of the built program, with the settings that operators write.
 */

beforeAll(buildProgram)

let relay: Installation
let address: RelayAddress
let metricsPort: number

beforeEach(async () => {
  relay = new Installation()
  metricsPort = await freePort()
  address = await relay.initialize('--daily-stats', '--no-password', '--disable-web', '--ip', '127.0.0.1')
  relay.set('STORE_LOG', 'prometheus_interval', '1')
  relay.set('STORE_LOG', 'metrics_port', String(metricsPort))
})
afterEach(() => relay.remove())

const start = async (): Promise<RunningCommand> => {
  const running = relay.start(['start'])
  await running.shows(/Listening on port/)
  await running.shows(/Metrics on|No metrics/)
  return running
}

const stop = async (running: RunningCommand, signal: NodeJS.Signals): Promise<string> => {
  running.kill(signal)
  const { status, stderr } = await running.ended()
  expect(status).toBe(0)
  return stderr
}

const oneMessage = async (): Promise<void> => {
  const client = await connectClient(address)
  const queue = await client.createQueue()
  await client.send(queue, 'hello')
  await client.receive(queue)
  await client.close()
}

const get = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${metricsPort}${path}`)).text()
const value = (text: string, name: string): string | undefined => new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]

describe('the statistics of a running relay', () => {
  it('are told at the start, served over HTTP, and written to the file of metrics', async () => {
    const running = await start()
    expect(running.output.stdout.trimEnd().split('\n').slice(-2)).toEqual([
      `server stats log enabled: ${join(relay.state, 'smp-server-stats.daily.log')}`,
      `Prometheus metrics saved every 1 seconds to ${join(relay.state, 'smp-server-metrics.txt')}`,
    ])
    expect(JSON.parse(await get('/health'))).toMatchObject({ status: 'ok' })
    await oneMessage()
    const metrics = await get('/metrics')
    expect(value(metrics, 'simplex_smp_messages_sent')).toBe('1')
    expect(value(metrics, 'simplex_smp_queues_total1')).toBe('1')
    expect(Number(value(metrics, 'process_resident_memory_bytes'))).toBeGreaterThan(10_000_000)
    expect(Number(value(metrics, 'nodejs_eventloop_lag_p99_seconds'))).toBeGreaterThanOrEqual(0)
    // Every name is described once: Prometheus refuses a text where one is not.
    const described = [...metrics.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)
    expect(described.length).toBe(new Set(described).size)
    const file = join(relay.state, 'smp-server-metrics.txt')
    const givenUpAt = Date.now() + 10_000
    while (!existsSync(file) && Date.now() < givenUpAt) await new Promise((resolve) => setTimeout(resolve, 50))
    expect(readFileSync(file, 'utf8')).toMatch(/^# Recorded at: .*Z\n# Stats from: .*Z\n\n# Queues\n/)
    await stop(running, 'SIGTERM')
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('are saved at %s, and gone on with at the next start', async (signal) => {
    const first = await start()
    await oneMessage()
    const snapshot = join(relay.state, 'smp-server-stats.log')
    expect(await stop(first, signal)).toMatch(
      /Saving server state\.\.\.\n.*saving server stats to file .*smp-server-stats\.log\n.*server stats saved\n.*Server stopped\n$/,
    )
    expect(readFileSync(snapshot, 'utf8')).toContain('\nmsgSent=1\n')
    const second = await start()
    await second.shows(/restoring server stats from file .*\n.*server stats restored\n/)
    expect(existsSync(`${snapshot}.bak`)).toBe(true)
    await oneMessage()
    const metrics = await get('/metrics')
    expect(value(metrics, 'simplex_smp_messages_sent')).toBe('2')
    expect(value(metrics, 'simplex_smp_queues_daily')).toBe('2')
    await stop(second, signal)
  })

  it.each([
    ['damaged', 'fromTime=2026-11-22T22:21:28Z\nqCreated=eight\n', 'line 2: qCreated has an invalid value'],
    ['empty, as a full disk leaves them,', '', 'line 1: the end of the file is missing'],
  ])('that are %s are set aside, and the relay starts', async (_, content, fault) => {
    const snapshot = join(relay.state, 'smp-server-stats.log')
    writeFileSync(snapshot, content)
    const running = await start()
    await running.shows(/counting starts at zero/)
    expect(running.output.stdout + running.output.stderr).toContain(
      `cannot read the counters in ${snapshot} (${fault})`,
    )
    await oneMessage()
    await stop(running, 'SIGINT')
    expect(readFileSync(snapshot, 'utf8')).toContain('\nmsgSent=1\n')
    const aside = readdirSync(relay.state).filter((name) => name.startsWith('smp-server-stats.log.damaged-'))
    expect(aside.some((name) => readFileSync(join(relay.state, name), 'utf8') === content)).toBe(true)
  })

  it('are served to nobody when their port is taken, and the relay runs', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(metricsPort, '127.0.0.1', resolve))
    const running = await start()
    expect(running.output.stderr).toMatch(
      /No metrics over HTTP: Cannot listen on port \d+ of 127\.0\.0\.1.*choose another `metrics_port`/,
    )
    await oneMessage()
    await stop(running, 'SIGINT')
    await new Promise((resolve) => taken.close(resolve))
  })
})
