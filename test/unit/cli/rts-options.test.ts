import { expect, it } from 'vitest'
import { withoutRtsOptions } from '../../../src/cli/rts-options.ts'

it.each([
  [['start', '+RTS', '-N', '-RTS'], ['start']],
  [
    ['+RTS', '-N', '-RTS', 'start', '--log-level', 'debug'],
    ['start', '--log-level', 'debug'],
  ],
  [['start', '+RTS', '-N'], ['start']],
  [
    ['init', '-y', '--RTS', '+RTS'],
    ['init', '-y', '+RTS'],
  ],
  [
    ['init', '--', '+RTS'],
    ['init', '--', '+RTS'],
  ],
  [['start'], ['start']],
])('%j runs as %j', (typed, kept) => {
  expect(withoutRtsOptions(typed)).toEqual(kept)
})
