import { spawn } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../../src/config/log.ts'
import type { SupervisorState } from '../../../../src/tor/supervisor/state.ts'
import { isRunning } from '../../../../src/system/process-mark.ts'
import { parseStatus, readStatusFile, StatusFile } from '../../../../src/tor/supervisor/status-file.ts'

let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-status-'))
  path = join(directory, 'tor', 'status.json')
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

const state: SupervisorState = {
  phase: 'waiting',
  restarts: 3,
  confirmedAt: new Date('2025-11-23T10:00:00.000Z'),
  lastError: { at: new Date('2025-11-23T10:01:00.000Z'), code: 'TOR_ENDED', message: 'tor ended.' },
}

describe('the status file', () => {
  it('the status file has the last state once it is closed, and only its user may read it', async () => {
    const file = new StatusFile(path, silentLogger)
    for (let restarts = 0; restarts < 200; restarts += 1) file.write({ ...state, restarts })
    file.write(state)
    await file.close()
    expect((await readStatusFile(path))?.state).toEqual(state)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700)
    expect(await readdir(join(path, '..'))).toEqual(['status.json'])
  })

  it('the status file is complete at every moment', async () => {
    const file = new StatusFile(path, silentLogger, 0)
    file.write(state)
    await expect.poll(() => readStatusFile(path)).toBeDefined()
    for (let restarts = 0; restarts < 50; restarts += 1) {
      file.write({ ...state, restarts })
      expect(parseStatus(await readFile(path, 'utf8'))).toBeDefined()
    }
    await file.close()
    expect((await readStatusFile(path))?.state.restarts).toBe(49)
  })

  it('a status file that cannot be written does not stop the relay', async () => {
    await writeFile(join(directory, 'tor'), 'a file where a directory should be')
    const told: string[] = []
    const file = new StatusFile(path, { ...silentLogger, debug: (message) => told.push(message) })
    file.write(state)
    await file.close()
    expect(told).toEqual(['onion service: its status could not be written'])
  })

  it('a status file that was removed with its directory is not created again', async () => {
    const file = new StatusFile(path, silentLogger, 0)
    file.write(state)
    await expect.poll(() => readStatusFile(path)).toBeDefined()
    await rm(join(path, '..'), { recursive: true })
    file.write({ ...state, phase: 'stopped' })
    await file.close()
    expect(await readdir(directory)).toEqual([])
  })

  it('a missing or damaged status file counts as none', async () => {
    expect(await readStatusFile(path)).toBeUndefined()
    const damaged = join(directory, 'damaged')
    for (const text of ['', '{', '{}', '[]', '{"relay":{},"writtenAt":"yesterday","state":{}}']) {
      await writeFile(damaged, text)
      expect(await readStatusFile(damaged)).toBeUndefined()
    }
  })
})

describe('the relay that wrote a status file', () => {
  it('the relay of a status file runs as long as its process', async () => {
    const file = new StatusFile(path, silentLogger)
    file.write(state)
    await file.close()
    const relay = (await readStatusFile(path))?.relay
    expect(relay && isRunning(relay)).toBe(true)
  })

  it('the relay of a status file does not run when another process has its number, or none', async () => {
    expect(isRunning({ pid: process.pid, processStart: '1' })).toBe(false)
    const child = spawn('true')
    const ended = new Promise((resolve) => child.once('close', resolve))
    await ended
    expect(isRunning({ pid: child.pid ?? 0 })).toBe(false)
    expect(isRunning({ pid: process.pid })).toBe(true)
  })
})
