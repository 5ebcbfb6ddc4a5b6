import { describe, expect, it } from 'vitest'
import { unifiedDiff } from '../../../../src/system/diff.ts'
import { changesNothing, planDiff, planLines } from '../../../../src/tor/setup/plan.ts'

describe('a diff', () => {
  const lines = (...names: string[]): string => names.map((name) => `${name}\n`).join('')

  it('is empty where nothing changes', () => {
    expect(unifiedDiff('/a', 'x\n', 'x\n')).toBe('')
  })

  it('shows a new file and a deleted one', () => {
    expect(unifiedDiff('/a', undefined, 'x\n')).toBe('--- /dev/null\n+++ /a\n@@ -0,0 +1 @@\n+x\n')
    expect(unifiedDiff('/a', 'x\n', undefined)).toBe('--- /a\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n')
  })

  it('has three lines around each change, and a hunk for each that is far from the others', () => {
    const before = lines('1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12')
    const after = before.replace('5\n', 'five\n').replace('12\n', '12\n13\n')
    expect(unifiedDiff('/a', before, after)).toBe(
      lines('--- /a', '+++ /a', '@@ -2,7 +2,7 @@', ' 2', ' 3', ' 4', '-5', '+five', ' 6', ' 7', ' 8') +
        lines('@@ -10,3 +10,4 @@', ' 10', ' 11', ' 12', '+13'),
    )
  })

  it('finds what stays between two changes', () => {
    expect(unifiedDiff('/a', lines('a', 'b', 'c'), lines('x', 'b', 'y'))).toBe(
      lines('--- /a', '+++ /a', '@@ -1,3 +1,3 @@', '-a', '+x', ' b', '-c', '+y'),
    )
  })

  it('shows line ends that cannot be seen', () => {
    expect(unifiedDiff('/a', 'x\r\n', 'x')).toContain('-x^M\n+x (no line break at the end)\n')
  })
})

describe('a plan', () => {
  const key = { path: '/k', before: undefined, after: 'top secret', secret: true } as const
  const file = { path: '/f', before: 'a\n', after: 'b\n' }
  const same = { path: '/s', before: 'a\n', after: 'a\n' }

  it('names steps, files and commands, and passes over what stays', () => {
    expect(planLines({ steps: [{ text: 'Do it', files: [key, file, same], commands: ['run it'] }] })).toEqual([
      ' 1. Do it',
      '      new file: /k',
      '      change: /f',
      '      $ run it',
    ])
  })

  it('shows all changes, but never a key', () => {
    const diff = planDiff({ steps: [{ text: '', files: [key, file, same] }] })
    expect(diff).toContain('--- /f\n+++ /f\n@@ -1 +1 @@\n-a\n+b\n')
    expect(diff).toContain('+++ /k\n')
    expect(diff).not.toContain('top secret')
    expect(diff).not.toContain('/s')
  })

  it('knows when there is nothing to do', () => {
    expect(changesNothing({ steps: [{ text: 'Look', files: [same] }] })).toBe(true)
    expect(changesNothing({ steps: [{ text: 'Look', files: [file] }] })).toBe(false)
    expect(changesNothing({ steps: [{ text: 'Run', commands: ['x'] }] })).toBe(false)
  })
})
