import { expect, it } from 'vitest'
import { findingOf } from '../../../src/app/doctor/database.ts'
import { versionFinding } from '../../../src/app/doctor/doctor.ts'

const facts = {
  place: '127.0.0.1:5432',
  version: '15.14',
  answerMs: 1,
  clockAheadMs: 300,
  user: 'smp',
  closedTables: [],
}

it.each([
  [61_000, 'is 61 seconds ahead of'],
  [-3_600_000, 'is 3600 seconds behind'],
])('a clock of PostgreSQL that is %d ms ahead is WARN, and one that is nearly right is not', (clockAheadMs, text) => {
  const finding = findingOf({ ...facts, clockAheadMs }, 'smp_server')
  expect(finding).toMatchObject({ level: 'warn', text: expect.stringContaining(text) as string })
  expect(findingOf(facts, 'smp_server').level).toBe('ok')
})

it('a relay that was not restarted after an update is WARN', () => {
  expect(versionFinding('1.0.0', '1.1.0')).toMatchObject({
    level: 'warn',
    text: 'The relay runs version 1.0.0, but 1.1.0 is installed.',
  })
  expect(versionFinding('1.1.0', '1.1.0').level).toBe('ok')
})
