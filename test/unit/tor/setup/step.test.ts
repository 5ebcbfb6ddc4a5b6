import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { generateOnionKey } from '../../../../src/crypto/onion-key.ts'
import { AppError } from '../../../../src/errors/app-error.ts'
import { unifiedDiff } from '../../../../src/system/diff.ts'
import { noServiceManager } from '../../../../src/system/service-manager.ts'
import { saveOnionKey } from '../../../../src/tor/onion/key.ts'
import { SetupJournal } from '../../../../src/tor/setup/journal.ts'
import { rollBackUnfinished, runSteps, type SetupProgress } from '../../../../src/tor/setup/run-steps.ts'
import { planDiff, planLines, type Step } from '../../../../src/tor/setup/step.ts'

describe('a diff', () => {
  const lines = (...names: string[]): string => names.map((name) => `${name}\n`).join('')

  it('the diff of equal texts is empty', () => {
    expect(unifiedDiff('/a', 'x\n', 'x\n')).toBe('')
  })

  it('the diff shows a new file and a deleted one', () => {
    expect(unifiedDiff('/a', undefined, 'x\n')).toBe('--- /dev/null\n+++ /a\n@@ -0,0 +1 @@\n+x\n')
    expect(unifiedDiff('/a', 'x\n', undefined)).toBe('--- /a\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n')
  })

  it('the diff has three lines around each change, and a hunk for each that is far from the others', () => {
    const before = lines('1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12')
    const after = before.replace('5\n', 'five\n').replace('12\n', '12\n13\n')
    expect(unifiedDiff('/a', before, after)).toBe(
      lines('--- /a', '+++ /a', '@@ -2,7 +2,7 @@', ' 2', ' 3', ' 4', '-5', '+five', ' 6', ' 7', ' 8') +
        lines('@@ -10,3 +10,4 @@', ' 10', ' 11', ' 12', '+13'),
    )
  })

  it('the diff keeps lines that stay between two changes', () => {
    expect(unifiedDiff('/a', lines('a', 'b', 'c'), lines('x', 'b', 'y'))).toBe(
      lines('--- /a', '+++ /a', '@@ -1,3 +1,3 @@', '-a', '+x', ' b', '-c', '+y'),
    )
  })

  it('the diff shows line ends that cannot be seen', () => {
    expect(unifiedDiff('/a', 'x\r\n', 'x')).toContain('-x^M\n+x (no line break at the end)\n')
  })
})

function step(changes: Step['changes'], isDone = false, describe = 'Do it'): Step {
  const nothing = { entries: [], apply: () => Promise.resolve(), revert: () => Promise.resolve([]) }
  return { describe, changes, isDone, ...nothing }
}

describe('a plan', () => {
  const key = { path: '/k', before: undefined, after: 'top secret', secret: true } as const
  const file = { path: '/f', before: 'a\n', after: 'b\n' }
  const same = { path: '/s', before: 'a\n', after: 'a\n' }

  it('the plan lists steps, files and commands, without what is done or stays', () => {
    const steps = [step({ commands: ['never'] }, true), step({ files: [key, file, same], commands: ['run it'] })]
    expect(planLines(steps)).toEqual([' 1. Do it', '      new file: /k', '      change: /f', '      $ run it'])
  })

  it('the diff shows all changes, but never a key', () => {
    const diff = planDiff([step({ files: [key, file, same] })])
    expect(diff).toContain('--- /f\n+++ /f\n@@ -1 +1 @@\n-a\n+b\n')
    expect(diff).toContain('+++ /k\n')
    expect(diff).not.toContain('top secret')
    expect(diff).not.toContain('/s')
  })
})

describe('running steps', () => {
  let directory: string
  let keyFile: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'smp-steps-'))
    keyFile = join(directory, 'onion.key')
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  /** A step that logs what happens to it. */
  function logged(log: string[], name: string, apply: () => Promise<void> = () => Promise.resolve()): Step {
    return {
      describe: name,
      changes: { files: [{ path: `/${name}`, before: undefined, after: '' }] },
      isDone: false,
      entries: [{ type: 'unit', name }],
      apply: async () => {
        log.push(`apply ${name}`)
        await apply()
      },
      revert: () => {
        log.push(`revert ${name}`)
        return Promise.resolve([])
      },
    }
  }

  const silent: SetupProgress = {
    begin: () => undefined,
    update: () => undefined,
    done: () => undefined,
    left: () => undefined,
  }

  it('steps are applied in order, and each is in the journal before it is applied', async () => {
    const log: string[] = []
    const journal = await SetupJournal.open(keyFile)
    const seen = async (): Promise<void> => {
      log.push(`journal ${(await SetupJournal.open(keyFile)).unfinished?.length ?? 'finished'}`)
    }
    const steps = [logged(log, 'a', seen), { ...logged(log, 'b'), isDone: true }, logged(log, 'c', seen)]
    expect(await runSteps(steps, journal, silent)).toEqual(['/a', '/c'])
    expect(log).toEqual(['apply a', 'journal 1', 'apply c', 'journal 2'])
    const after = await SetupJournal.open(keyFile)
    expect([after.unfinished, after.entries.length]).toEqual([undefined, 2])
  })

  it('when a step fails, it and those before it are reverted, the last one first, and the journal is gone', async () => {
    const log: string[] = []
    const journal = await SetupJournal.open(keyFile)
    const failing = logged(log, 'b', () => Promise.reject(new Error('no')))
    await expect(runSteps([logged(log, 'a'), failing, logged(log, 'c')], journal, silent)).rejects.toThrow('no')
    expect(log).toEqual(['apply a', 'apply b', 'revert b', 'revert a'])
    expect(readdirSync(directory)).toEqual([])
  })

  it('an interruption between two steps reverts what was done', async () => {
    const log: string[] = []
    const abort = new AbortController()
    const first = logged(log, 'a', () => {
      abort.abort(new Error('Interrupted.'))
      return Promise.resolve()
    })
    const journal = await SetupJournal.open(keyFile)
    await expect(runSteps([first, logged(log, 'b')], journal, silent, abort.signal)).rejects.toThrow('Interrupted.')
    expect(log).toEqual(['apply a', 'revert a'])
  })

  it('entries of an earlier setup stay in the journal when a later one fails', async () => {
    const log: string[] = []
    const journal = await SetupJournal.open(keyFile)
    await runSteps([logged(log, 'a')], journal, silent)
    const failing = logged(log, 'a', () => Promise.reject(new Error('no')))
    await expect(runSteps([failing], journal, silent)).rejects.toThrow('no')
    expect((await SetupJournal.open(keyFile)).entries).toEqual([{ type: 'unit', name: 'a' }])
  })

  it('a key that another setup created at the same moment is not deleted', async () => {
    const log: string[] = []
    const journal = await SetupJournal.open(keyFile)
    const exists = (): Promise<void> => Promise.reject(new AppError('ONION_KEY_EXISTS', 'It is there.'))
    const step_: Step = { ...logged(log, 'key', exists), entries: [{ type: 'key' }] }
    await expect(runSteps([step_], journal, silent)).rejects.toMatchObject({ code: 'ONION_KEY_EXISTS' })
    expect(log).toEqual(['apply key'])
  })

  it('what a killed setup left is reverted by the next one, and nothing else', async () => {
    const journal = await SetupJournal.open(keyFile)
    await journal.add({ type: 'member', name: 'earlier', user: 'x' })
    await journal.begin()
    await journal.add({ type: 'record', before: null })
    await journal.add({ type: 'key' })
    await saveOnionKey(keyFile, generateOnionKey())
    const tools = {
      places: { ini: '', keyFile, portsFile: '' },
      run: () => Promise.reject(new Error('not called')),
      services: noServiceManager,
    }
    expect(await rollBackUnfinished(await SetupJournal.open(keyFile), tools, silent)).toBe(true)
    const after = await SetupJournal.open(keyFile)
    expect([after.unfinished, after.entries]).toEqual([undefined, [{ type: 'member', name: 'earlier', user: 'x' }]])
    expect(readdirSync(directory)).toEqual(['onion-setup.json'])
    expect(await rollBackUnfinished(after, tools, silent)).toBe(false)
  })
})
