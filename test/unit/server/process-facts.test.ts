import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runtimeFacts, runtimeLines, threadLines, threadsOf } from '../../../src/server/process-facts.ts'

let proc: string
beforeEach(() => (proc = mkdtempSync(join(tmpdir(), 'smp-proc-'))))
afterEach(() => rmSync(proc, { recursive: true }))

function thread(id: number, stat: string): void {
  mkdirSync(join(proc, 'task', String(id)), { recursive: true })
  writeFileSync(join(proc, 'task', String(id), 'stat'), stat)
}

describe('the threads of the process', () => {
  it('are listed with what the system says of them, names with brackets included', async () => {
    thread(12, '12 (node) R 1 12 12')
    thread(13, '13 (a) S (b)) S 1 12')
    thread(14, 'no such line')
    expect(threadLines(await threadsOf(proc))).toEqual([
      'Threads: 2',
      'ThreadId 12 (ThreadRunning) node',
      'ThreadId 13 (ThreadBlocked) a) S (b)',
    ])
  })

  it('are none where the system does not tell', async () => {
    expect(threadLines(await threadsOf(join(proc, 'missing')))).toEqual(['Threads: 0'])
  })
})

it('the facts of the runtime are lines of a name and a value', () => {
  for (const line of runtimeLines(runtimeFacts())) expect(line).toMatch(/^[a-z ]+: v?[\d.]+( s| bytes)?$/)
})
