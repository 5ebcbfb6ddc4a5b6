import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { noAcks } from '../../../../src/server/statistics/ack-times.ts'
import { counterNames, newStats } from '../../../../src/server/statistics/counters.ts'
import { exposition } from '../../../../src/server/statistics/exposition.ts'
import type { Facts } from '../../../../src/server/statistics/metric.ts'

const sample = readFileSync(new URL('../../../samples/upstream/smp-server-metrics.txt', import.meta.url), 'utf8')

const facts = (): Facts => {
  const stats = newStats(Date.parse('2026-11-24T10:20:30.456Z'), Buffer.alloc(32))
  for (const [index, name] of counterNames.entries()) stats[name] = index + 1
  return {
    stats,
    counts: {
      queues: 101,
      messages: 102,
      notifications: 103,
      notifiers: 104,
      rcvServices: 105,
      ntfServices: 106,
      rcvServiceQueues: 107,
      ntfServiceQueues: 108,
    },
    live: {
      sockets: [{ port: 15223, accepted: 5, closed: 3, active: 2, leaked: 0 }],
      threads: 11,
      clients: 2,
      subscriptions: 201,
      subscribedClients: 202,
      notifiers: 203,
      notifierClients: 204,
      services: { R: { connected: 205, queues: 206 }, N: { connected: 207, queues: 208 } },
      deliveries: { count: 3, clients: 1, waiting: { ...noAcks(), '60-300': 3 }, longest: 70 },
    },
    wrongPasswords: 17,
    version: '1.2.3',
  }
}

const recordedAt = Date.parse('2026-11-24T10:21:00.000Z')
const linesOf = (text: string): string[] => text.split('\n')

/** Every series by name and labels; what differs between programs and runs is left out. */
const seriesOf = (text: string): string[] =>
  linesOf(text)
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replace(/^simplex_smp_info\{.*\}/, 'simplex_smp_info').replace(/ .*/, ''))

describe('the metrics of a file', () => {
  const text = exposition(facts(), recordedAt)

  it('have every name and label that other SMP relays have, in their order', () => {
    // Our histogram has buckets where the recorded one was empty.
    const withoutBuckets = seriesOf(text).filter((series) => !/_bucket\{le="\d/.test(series))
    expect(withoutBuckets).toEqual(seriesOf(sample))
  })

  it('have their types, and the names of the counters as comments', () => {
    const structure = (of: string): string[] => linesOf(of).filter((line) => /^# (?!HELP|Recorded|Stats)/.test(line))
    expect(structure(text)).toEqual(structure(sample))
  })

  it('have the labels of the version that runs', () => {
    const labels = /^simplex_smp_info\{version="(.*)",rts_options="(.*)"\} 1$/m
    expect(labels.exec(sample)?.[1]).toBe('7.0.0.3')
    expect(labels.exec(text)?.slice(1)).toEqual(['1.2.3', `Node.js ${process.version}`])
  })

  it('say when they were recorded, and every sample its time', () => {
    expect(linesOf(text).slice(0, 2)).toEqual([
      '# Recorded at: 2026-11-24T10:21:00.000Z',
      '# Stats from: 2026-11-24T10:20:30.456Z',
    ])
    const times = linesOf(text).filter((line) => /^simplex_smp_(?!info)/.test(line) && !line.endsWith(` ${recordedAt}`))
    expect(times).toEqual([])
  })

  it('show each counter under its own name', () => {
    const values = new Map<string, string>()
    const lines = linesOf(text)
    for (const [index, line] of lines.entries()) {
      const note = /^# (\w+)$/.exec(lines[index + 1] ?? '')?.[1]
      const value = /^simplex\S* (\S+)/.exec(line)?.[1]
      if (note !== undefined && value !== undefined) values.set(note, value)
    }
    values.set('qDeletedAll', values.get('qDeleted') ?? '')
    const { stats } = facts()
    for (const name of counterNames) expect([name, values.get(name)]).toEqual([name, String(stats[name])])
  })
})

describe('the metrics of now', () => {
  it('are the same without times', () => {
    const text = exposition(facts())
    expect(seriesOf(text)).toEqual([...seriesOf(exposition(facts(), recordedAt)), 'smp_wrong_passwords_total'])
    expect(text).toContain('\nsmp_wrong_passwords_total 17\n')
    expect(text).not.toContain(String(recordedAt))
    expect(text).toContain('\nsimplex_smp_queues_total1 101\n')
    expect(text).toContain('\nsimplex_smp_sockets_active{port="15223"} 2\n')
  })

  it('have a histogram of the times until messages were acknowledged', () => {
    const { stats, ...others } = facts()
    for (const seconds of [0.5, 1, 30, 100_000]) stats.ackTimes.add(seconds)
    const text = exposition({ stats, ...others })
    const shown = linesOf(text).filter((line) => line.startsWith('simplex_smp_delivery_ack_'))
    const name = 'simplex_smp_delivery_ack_confirmed'
    expect(shown).toEqual([
      `${name}_time_sum 100031.5`,
      `${name}_time_count 4`,
      ...[1, 5, 15].map((le, at) => `${name}_time_bucket{le="${le}"} ${[2, 2, 2][at]}`),
      ...[60, 300, 1200, 3600, 21600, 86400].map((le) => `${name}_time_bucket{le="${le}"} 3`),
      `${name}_time_bucket{le="+Inf"} 4`,
      ...['0-60', '60-300', '300-1200', '1200-3600', '3600+'].map(
        (period, at) => `${name}_count{period="${period}"} ${[3, 0, 0, 0, 1][at]}`,
      ),
      ...['0-60', '60-300', '300-1200', '1200-3600', '3600+'].map(
        (period, at) => `simplex_smp_delivery_ack_pending_count{period="${period}"} ${[0, 3, 0, 0, 0][at]}`,
      ),
      'simplex_smp_delivery_ack_time_max 100000',
    ])
  })
})
