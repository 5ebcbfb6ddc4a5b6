import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { schedule } from '../../../src/config/schedule.ts'

const fields = (text: string): string | undefined => {
  const result = v.safeParse(schedule, text)
  return result.success ? result.output : undefined
}

describe('a schedule', () => {
  it.each([
    ['hourly', '0 * * * *'],
    ['daily', '0 4 * * *'],
    ['@weekly', '0 4 * * 0'],
    ['monthly', '0 4 1 * *'],
    ['03:30', '30 3 * * *'],
    ['3:05', '5 3 * * *'],
    ['daily 23:59', '59 23 * * *'],
    ['daily at 00:00', '0 0 * * *'],
    ['sun 04:00', '0 4 * * 0'],
    ['Saturday 04:00', '0 4 * * 6'],
    ['30 3 * * *', '30 3 * * *'],
    ['*/15  0-6,22 1,15 */2 7', '*/15 0-6,22 1,15 */2 7'],
  ])('reads %s as the crontab fields %s', (text, expected) => {
    expect(fields(text)).toBe(expected)
  })

  it.each([
    '',
    'sometimes',
    '24:00',
    '12:60',
    '4',
    'su 04:00',
    'sunnyday 04:00',
    '04:00 sun',
    '60 3 * * *',
    '0 24 * * *',
    '0 0 0 * *',
    '0 0 * 13 *',
    '0 0 * * 8',
    '5-1 * * * *',
    '*/0 * * * *',
    '5/10 * * * *',
    '* * * *',
    '0 0 3 * * *',
    '-1 * * * *',
    '1,,2 * * * *',
    'every 6 hours',
  ])('refuses %j', (text) => {
    expect(fields(text)).toBeUndefined()
  })
})
