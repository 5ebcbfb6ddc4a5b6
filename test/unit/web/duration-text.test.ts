import { expect, it } from 'vitest'
import { durationText } from '../../../src/web/duration-text.ts'

const DAY = 86_400

it.each([
  [0, '0 sec'],
  [1, '1 sec'],
  [90, '1 min 30 sec'],
  [3600, '1 hour'],
  [7200, '2 hours'],
  [90_061, '1 day 1 hour 1 min 1 sec'],
  [2 * DAY, '2 days'],
  [7 * DAY, '1 week'],
  [8 * DAY, '8 days'],
  [14 * DAY, '2 weeks'],
  [21 * DAY, '21 days'],
  [30 * DAY, '1 month'],
  [31 * DAY, '1 month 1 day'],
  [37 * DAY, '1 month 1 week'],
  [60 * DAY, '2 months'],
])('%d seconds are %s', (seconds, text) => {
  expect(durationText(seconds)).toBe(text)
})
