import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { takeStartLock } from '../../../../src/tor/process/start-lock.ts'

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'start-lock-'))
  path = join(directory, 'start.lock')
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('the lock for starting a tor', () => {
  it('the start lock is held by one process at a time, and by the next once it is released', () => {
    const unlock = takeStartLock(path)
    expect(unlock).toBeDefined()
    expect(takeStartLock(path)).toBeUndefined()
    unlock?.()
    expect(takeStartLock(path)).toBeDefined()
  })

  it.each([
    ['a process that has ended', JSON.stringify({ pid: process.pid, processStart: '1' })],
    ['nobody knows whom', 'no JSON'],
  ])('a start lock that was left by %s is ignored', (_, content) => {
    writeFileSync(path, content)
    expect(takeStartLock(path)).toBeDefined()
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid })
  })

  it('the start lock fails where no file can be created', () => {
    expect(() => takeStartLock(join(directory, 'missing', 'start.lock'))).toThrow(/ENOENT/)
  })
})
