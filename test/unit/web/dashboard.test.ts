import { describe, expect, it } from 'vitest'
import { isOwnHost } from '../../../src/web/dashboard/respond.ts'
import { mergeSamples, sampleColumns, SAMPLE_FIELD_NAMES } from '../../../src/web/dashboard/samples.ts'
import { bytes, columns, count, duration, extremes, milliseconds } from '../../../src/web/media/dashboard-format.js'

describe('isOwnHost', () => {
  it.each(['127.0.0.1:9100', 'localhost', 'LOCALHOST:1', '[::1]:9100', `${'a'.repeat(56)}.onion`])(
    'accepts %s',
    (host) => {
      expect(isOwnHost(host)).toBe(true)
    },
  )

  it.each([
    undefined,
    '',
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'x@localhost',
    'a.onion',
  ])('refuses %s', (host) => {
    expect(isOwnHost(host)).toBe(false)
  })
})

describe('samples', () => {
  it('mergeSamples adds events up and averages levels, leaving out what is not known', () => {
    const merged = mergeSamples(0, [
      { time: 0, values: { messagesSent: 1, connections: 2 } },
      { time: 60, values: { messagesSent: 3 } },
      { time: 120, values: { connections: 4 } },
    ])
    expect(merged).toEqual({ time: 0, values: { messagesSent: 4, connections: 3 } })
    expect(mergeSamples(0, [])).toBeUndefined()
  })

  it('sampleColumns has every field, with null for what is not known', () => {
    const { times, values } = sampleColumns([{ time: 60, values: { cpu: 1.234567 } }])
    expect(times).toEqual([60])
    expect(Object.keys(values)).toEqual(SAMPLE_FIELD_NAMES)
    expect([values.cpu, values.memory]).toEqual([[1.2346], [null]])
  })
})

describe('dashboard-format', () => {
  it.each([
    [count(1234.5), '1,235'],
    [count(0.126), '0.13'],
    [count(null), '–'],
    [bytes(0), '0 B'],
    [bytes(1536), '1.5 KiB'],
    [bytes(5 * 1024 ** 4), '5 TiB'],
    [milliseconds(812.4), '812 ms'],
    [milliseconds(2500), '2.5 s'],
    [duration(90_061), '1 day 1 hour'],
    [duration(59), 'less than a minute'],
  ])('a value is written as %s', (text, expected) => {
    expect(text).toBe(expected)
  })

  it('columns turn a gap in the samples into a gap in the line', () => {
    const { times, valuesOf } = columns({ times: [60, 120, 240], values: { a: [1, null, 3] } }, 60)
    expect(times).toEqual([60, 120, 180, 240])
    expect(valuesOf('a', 2)).toEqual([2, null, null, 6])
    expect(valuesOf('b')).toEqual([null, null, null, null])
    expect(columns({ times: [], values: {} }, 60).times).toEqual([])
  })

  it('extremes ignore what is not known', () => {
    expect(extremes([null, 3, 1, null])).toEqual({ last: 1, min: 1, max: 3 })
    expect(extremes([null])).toBeUndefined()
  })
})
