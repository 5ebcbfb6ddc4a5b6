import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Timetable } from '../../../src/backup/timetable.ts'

const timeZone = process.env.TZ
beforeEach(() => {
  process.env.TZ = 'Europe/Berlin'
})
afterEach(() => {
  if (timeZone === undefined) delete process.env.TZ
  else process.env.TZ = timeZone
})

/** The first `count` times after another one, in UTC. */
function times(schedule: string, after: string, count: number): string[] {
  const timetable = new Timetable(schedule)
  const found: string[] = []
  for (let time = new Date(after), n = 0; n < count; n++) {
    time = timetable.after(time) ?? new Date(NaN)
    found.push(time.toISOString().slice(0, 16))
  }
  return found
}

describe('a timetable', () => {
  it('goes by the time zone of the machine', () => {
    expect(times('0 4 * * *', '2026-01-10T12:00:00Z', 2)).toEqual(['2026-01-11T03:00', '2026-01-12T03:00'])
    expect(times('0 4 * * 0', '2026-01-10T12:00:00Z', 2)).toEqual(['2026-01-11T03:00', '2026-01-18T03:00'])
  })

  it('has one time a day also when the clocks change', () => {
    expect(times('30 2 * * *', '2026-03-27T12:00:00Z', 3)).toEqual([
      '2026-03-28T01:30',
      // There is no 02:30 on that day.
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ])
    expect(times('30 2 * * *', '2026-10-24T12:00:00Z', 2)).toEqual(['2026-10-25T00:30', '2026-10-26T01:30'])
  })

  it('ends where no time ever comes', () => {
    expect(new Timetable('0 0 31 2 *').after(new Date('2026-01-01T00:00:00Z'))).toBeUndefined()
  })
})
