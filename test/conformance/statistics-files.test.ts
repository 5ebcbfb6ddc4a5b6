import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ok } from './setting.ts'
import { until, withTunedRelay } from './tuned.ts'

const directory = mkdtempSync(join(tmpdir(), 'smp-statistics-'))
afterAll(() => rmSync(directory, { recursive: true }))

const files = {
  lines: join(directory, 'smp-server-stats.daily.log'),
  snapshot: join(directory, 'smp-server-stats.log'),
  metrics: join(directory, 'smp-server-metrics.txt'),
}
const sample = new URL('../samples/upstream/smp-server-stats.log', import.meta.url)
const DAY = 86_400

const relay = withTunedRelay({
  optionsAtStart: () => ({
    statistics: {
      daily: { lines: files.lines, snapshot: files.snapshot, saveEveryMs: 20 },
      metrics: { file: files.metrics, everyMs: 50 },
      version: '1.2.3',
    },
  }),
})

const text = (path: string): string => readFileSync(path, 'latin1')
const dailyLines = (): string[][] =>
  existsSync(files.lines)
    ? text(files.lines)
        .trimEnd()
        .split('\n')
        .map((line) => line.split(','))
    : []
const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
/** Moves the clock to the next midnight, and lets the relay look at it. */
const midnight = async (): Promise<void> => {
  const now = relay.core.now()
  relay.advance(DAY - Math.floor((now / 1000) % DAY))
  await relay.serving.statistics.writeDueLine()
}

describe('the daily line', () => {
  it('is written at midnight, with what was counted and what is stored; the counting begins again', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue()
    expect(await client.send(queue, 'one', { notify: true })).toEqual(ok)
    await relay.serving.statistics.writeDueLine()
    expect(dailyLines()).toEqual([])
    const began = relay.serving.stats.fromTime
    await midnight()
    const [line, ...others] = dailyLines()
    expect(others).toEqual([])
    expect(line).toHaveLength(101)
    const day = new Date(relay.core.now())
    const [week, month] = [day.getUTCDay() === 1 ? '1' : '', day.getUTCDate() === 1 ? '1' : '']
    expect(line?.slice(0, 16)).toEqual([
      dateOf(began),
      '1',
      '0',
      '0',
      '1',
      '0',
      '1',
      week,
      month,
      '1',
      '0',
      '1',
      week,
      month,
      '1',
      '1',
    ])
    expect(relay.serving.stats).toMatchObject({ qCreated: 0, msgSent: 0 })
    expect(dateOf(relay.serving.stats.fromTime)).toBe(dateOf(relay.core.now()))
    expect(relay.serving.stats.activeQueues.size('activeQueues', 'day')).toBe(0)
    await relay.serving.statistics.writeDueLine()
    expect(dailyLines()).toHaveLength(1)
  })

  it('of the next day counts that day alone, and a month has as many lines as days', async () => {
    const client = await relay.connect()
    await client.createQueue()
    await midnight()
    const [, second] = dailyLines()
    expect(second?.slice(1, 7)).toEqual(['1', '0', '0', '0', '0', '0'])
    for (let day = 0; day < 29; day++) await midnight()
    const lines = dailyLines()
    expect(lines).toHaveLength(31)
    expect(lines.filter((columns) => columns[7] !== '').length).toBeGreaterThanOrEqual(4)
    expect(lines.filter((columns) => columns[8] !== '')).toHaveLength(1)
    for (const [index, columns] of lines.entries()) {
      const written = new Date(Date.parse(`${columns[0] ?? ''}T00:00:00Z`) + DAY * 1000)
      expect([index, columns[7] !== '']).toEqual([index, written.getUTCDay() === 1])
      expect([index, columns[8] !== '']).toEqual([index, written.getUTCDate() === 1])
    }
  })

  it('is kept apart from one that was cut off', async () => {
    const before = dailyLines().length
    writeFileSync(files.lines, `${text(files.lines)}2026-01-01,5,`)
    await midnight()
    expect(dailyLines()).toHaveLength(before + 2)
    expect(dailyLines().at(-1)).toHaveLength(101)
  })

  it('is written later when it cannot be written now, and nothing is counted twice', async () => {
    const before = dailyLines().length
    const client = await relay.connect()
    await client.createQueue()
    const kept = `${files.lines}.kept`
    copyFileSync(files.lines, kept)
    rmSync(files.lines)
    // A directory in its place: it cannot be opened for writing, not even by root.
    mkdirSync(files.lines)
    await expect(midnight()).rejects.toThrow('EISDIR')
    await client.createQueue()
    rmSync(files.lines, { recursive: true })
    copyFileSync(kept, files.lines)
    await relay.serving.statistics.writeDueLine()
    expect(dailyLines()).toHaveLength(before + 1)
    expect(dailyLines().at(-1)?.[1]).toBe('1')
    expect(relay.serving.stats.qCreated).toBe(1)
  })
})

describe('the snapshot', () => {
  it('brings the counters and the active queues back at the next start, and stays as .bak', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue()
    await client.send(queue, 'one')
    const { stats } = relay.serving
    const before = { qCreated: stats.qCreated, msgSent: stats.msgSent, fromTime: stats.fromTime }
    const active = stats.activeQueues.size('activeQueues', 'week')
    await relay.restart()
    expect(relay.serving.stats).toMatchObject(before)
    expect(relay.serving.stats.activeQueues.size('activeQueues', 'week')).toBe(active)
    expect(text(`${files.snapshot}.bak`)).toContain(`qCreated=${before.qCreated}\n`)
    // The same queue is known again, because its hash is.
    const again = await relay.connect()
    await again.send(queue, 'two')
    expect(relay.serving.stats.activeQueues.size('activeQueues', 'week')).toBe(active)
    expect(statSync(files.snapshot).mode & 0o777).toBe(0o600)
  })

  it('is saved while the relay runs, so that a crash costs little', async () => {
    const client = await relay.connect()
    await client.createQueue()
    const { qCreated } = relay.serving.stats
    await until('it is saved', () => text(files.snapshot).includes(`qCreated=${qCreated}\n`))
    const left = text(files.snapshot)
    // What the orderly end saves is replaced by what a killed process would have left.
    await relay.stop()
    writeFileSync(files.snapshot, left)
    await relay.restart()
    expect(relay.serving.stats.qCreated).toBe(qCreated)
  })

  it('of another SMP relay is gone on with, and written back for it', async () => {
    await relay.stop()
    copyFileSync(sample, files.snapshot)
    await relay.restart()
    expect(relay.serving.stats).toMatchObject({ qCreated: 8, msgSent: 133 })
    expect(relay.serving.stats.activeQueues.size('activeQueuesNtf', 'month')).toBe(1)
    await relay.stop()
    const names = (of: string): string[] => of.split('\n').map((line) => line.replace(/=.*/, ''))
    expect(names(text(files.snapshot))).toEqual(names(readFileSync(sample, 'latin1')))
    expect(text(files.snapshot)).toContain('msgSent=133\n')
    await relay.restart()
  })

  const asideFiles = (): string[] =>
    readdirSync(directory).filter((name) => name.startsWith('smp-server-stats.log.damaged-'))

  it.each<[string, (before: string) => string]>([
    ['damaged', (before) => before.replace(/^msgSent=.*$/m, 'msgSent=many')],
    ['cut off', (before) => before.slice(0, 400)],
    ['empty', () => ''],
    ['full of zeros, as after a power loss', (before) => '\0'.repeat(before.length)],
    ['foreign', () => 'a diary\n'],
  ])('that is %s is set aside unchanged, and the relay counts from zero', async (_, change) => {
    await relay.stop()
    const damaged = change(text(files.snapshot))
    writeFileSync(files.snapshot, damaged)
    relay.advance(1)
    await relay.restart()
    expect(relay.serving.stats).toMatchObject({ msgSent: 0, qCreated: 0 })
    const client = await relay.connect()
    await client.createQueue()
    await until('it is saved', () => existsSync(files.snapshot) && text(files.snapshot).includes('qCreated=1\n'))
    expect(asideFiles().map((name) => text(join(directory, name)))).toContain(damaged)
  })

  it('that is a directory is set aside, and the relay counts from zero', async () => {
    await relay.stop()
    rmSync(files.snapshot)
    mkdirSync(files.snapshot)
    relay.advance(1)
    await relay.restart()
    await until('it is saved', () => existsSync(files.snapshot) && statSync(files.snapshot).isFile())
    expect(asideFiles().some((name) => statSync(join(directory, name)).isDirectory())).toBe(true)
  })
})

describe('the file of metrics', () => {
  it('appears after an interval, whole at every moment, and follows what happens', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue()
    await client.send(queue, 'one')
    await client.receive(queue)
    relay.advance(100)
    const value = (name: string): string | undefined =>
      new RegExp(`^simplex_smp_${name} (\\S+) \\d+$`, 'm').exec(text(files.metrics))?.[1]
    await until('the message is shown', () => value('delivered_total') === '1')
    await until('its age is shown', () => value('delivery_ack_pending_count{period="60-300"}') === '1')
    expect(value('clients_total')).toBe('1')
    expect(value('subscribtion_total')).toBe('1')
    expect(value('subscribtion_clients_total')).toBe('1')
    const port = relay.address.port
    expect(value(`sockets_accepted{port="${port}"}`)).toBe('1')
    expect(value(`sockets_leaked{port="${port}"}`)).toBe('0')
    expect(text(files.metrics)).toContain('simplex_smp_info{version="1.2.3",')
    for (let look = 0; look < 50; look++) {
      const now = text(files.metrics)
      expect([now.startsWith('# Recorded at: '), now.endsWith('\n')]).toEqual([true, true])
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
  })

  it('names nobody: no id, no address, no key', async () => {
    const client = await relay.connect()
    const queue = await client.createQueue({ notifier: 'ed25519' })
    await client.send(queue, 'one', { notify: true })
    const shown = await relay.serving.statistics.metrics()
    const secrets = [
      queue.rcvId,
      queue.sndId,
      queue.notifier?.notifierId ?? Buffer.alloc(1),
      client.session.hello.sessionId,
    ]
    for (const secret of secrets) {
      for (const encoding of ['base64', 'base64url', 'hex'] as const)
        expect(shown).not.toContain(secret.toString(encoding))
    }
    expect(shown).not.toContain('127.0.0.1')
  })
})
