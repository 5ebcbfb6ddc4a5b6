import { expect, it } from 'vitest'
import { LastHour } from '../../../src/app/last-hour.ts'

it('the last hour has the growth of each of the last 60 minutes, also when the counter begins anew', () => {
  let count = 100
  const hour = new LastHour(() => count)
  expect(hour.perMinute).toEqual([])
  count = 107
  hour.add()
  count = 3
  hour.add()
  expect(hour.perMinute).toEqual([7, 3])
  for (let minute = 0; minute < 60; minute++) {
    count += minute
    hour.add()
  }
  expect(hour.perMinute).toHaveLength(60)
  expect(hour.perMinute.slice(-2)).toEqual([58, 59])
})
