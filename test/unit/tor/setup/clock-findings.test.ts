import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { clockFacts } from '../../../../src/tor/setup/clock-facts.ts'
import { clockFindings } from '../../../../src/tor/setup/clock-findings.ts'
import type { CommandRunner } from '../../../../src/system/command.ts'
import { noServiceManager, systemd } from '../../../../src/system/service-manager.ts'

const made = new Date('2026-01-31T12:00:00Z')
const later = new Date('2026-03-01T00:00:00Z')
const latest = { at: made, what: 'this program' }

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'smp-clock-'))
})
afterEach(() => rmSync(root, { recursive: true }))

/** Answers as timedatectl does. */
function answering(stdout: string): CommandRunner {
  return (program, args) => {
    expect([program, ...args]).toEqual(['timedatectl', 'show', '-p', 'NTPSynchronized', '--value'])
    return Promise.resolve({ status: 0, stdout, stderr: '' })
  }
}

it.each([
  ['is right as far as is known', later, undefined, []],
  ['is synchronized', later, true, []],
  ['is not synchronized', later, false, ['CLOCK_FREE']],
  ['is behind existing files', new Date('2020-01-01T00:00:00Z'), undefined, ['CLOCK_BEHIND']],
  [
    'is behind existing files although systemd says otherwise',
    new Date('2020-01-01T00:00:00Z'),
    false,
    ['CLOCK_BEHIND'],
  ],
  ['is behind by the rounding of a file system', new Date(made.getTime() - 30_000), true, []],
])('findings for a clock that %s', (_, now, synchronized, codes) => {
  expect(clockFindings({ now, synchronized, latest }).map(({ code }) => code)).toEqual(codes)
})

it('a wrong clock is named in one sentence, with the remedy', () => {
  const [finding] = clockFindings({ now: new Date('2020-01-01T00:00:00Z'), synchronized: undefined, latest })
  expect(finding).toMatchObject({
    level: 'note',
    text: 'The clock of this machine is wrong: it says 2020-01-01 00:00 UTC, but this program dates from 2026-01-31 12:00 UTC.',
    remedy: expect.stringContaining('timedatectl set-ntp true') as string,
  })
  expect(clockFindings({ now: later, synchronized: undefined, latest: undefined })).toEqual([])
})

it('the clock is compared with the newest of the installed files and the last consensus', async () => {
  const program = join(root, 'program')
  writeFileSync(program, '')
  utimesSync(program, made, made)
  mkdirSync(join(root, 'tor'))
  const run = answering('no\n')
  const question = {
    run,
    services: noServiceManager,
    now: later,
    packaged: [
      { path: program, what: 'this program' },
      { path: join(root, 'none'), what: 'nothing' },
    ],
    torDirectories: [join(root, 'tor'), join(root, 'none')],
  }
  expect(await clockFacts(question)).toEqual({ now: later, synchronized: undefined, latest })
  const consensus = 'network-status-version 3 microdesc\nvote-status consensus\nvalid-after 2026-02-10 05:00:00\n'
  writeFileSync(join(root, 'tor', 'cached-microdesc-consensus'), consensus)
  expect((await clockFacts(question)).latest?.at).toEqual(new Date('2026-02-10T05:00:00Z'))
  writeFileSync(join(root, 'tor', 'cached-microdesc-consensus'), 'valid-after tomorrow\n')
  expect((await clockFacts(question)).latest).toEqual(latest)
})

it.each([
  ['yes\n', true],
  ['no\n', false],
  ['', undefined],
])('the synchronization is what timedatectl says: %j', async (stdout, synchronized) => {
  const run = answering(stdout)
  const facts = await clockFacts({ run, services: systemd(run), now: later, packaged: [], torDirectories: [] })
  expect(facts).toEqual({ now: later, synchronized, latest: undefined })
})
