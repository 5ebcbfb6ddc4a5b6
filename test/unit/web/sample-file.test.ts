import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SampleFile } from '../../../src/web/dashboard/sample-file.ts'

const BEGIN = 1_800_000_000 - (1_800_000_000 % 21_600)
let directory: string
let path: string
let file: SampleFile

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-samples-'))
  path = join(directory, 'samples')
  file = await SampleFile.open(path)
})
afterEach(async () => {
  await file.close()
  await rm(directory, { recursive: true })
})

async function reopened(): Promise<SampleFile> {
  await file.close()
  file = await SampleFile.open(path)
  return file
}

describe('SampleFile', () => {
  it('samples survive a restart, with what is not known left out', async () => {
    await file.add(BEGIN + 5, { messagesSent: 3, cpu: 1.5 })
    await file.add(BEGIN + 65, { messagesSent: 4 })
    const samples = [
      { time: BEGIN, values: { messagesSent: 3, cpu: 1.5 } },
      { time: BEGIN + 60, values: { messagesSent: 4 } },
    ]
    expect(file.read('hour', BEGIN + 100)).toEqual(samples)
    expect((await reopened()).read('hour', BEGIN + 100)).toEqual(samples)
  })

  it('longer intervals have the sum of events and the mean of levels, also across a restart', async () => {
    for (let minute = 0; minute < 10; minute++)
      await file.add(BEGIN + minute * 60, { messagesSent: 2, connections: minute })
    await reopened()
    for (let minute = 10; minute < 40; minute++)
      await file.add(BEGIN + minute * 60, { messagesSent: 2, connections: minute })
    expect(file.read('month', BEGIN + 2400)).toEqual([
      { time: BEGIN, values: { messagesSent: 60, connections: 14.5 } },
      { time: BEGIN + 1800, values: { messagesSent: 20, connections: 34.5 } },
    ])
    expect(file.read('year', BEGIN + 2400)).toEqual([{ time: BEGIN, values: { messagesSent: 80, connections: 24.5 } }])
  })

  it('a sample that is older than its range is not shown, and its slot is used again', async () => {
    await file.add(BEGIN, { queues: 1 })
    expect(file.read('hour', BEGIN + 3600 + 60)).toEqual([])
    expect(file.read('day', BEGIN + 86_400 + 60)).toEqual([])
    await file.add(BEGIN + 86_400, { queues: 2 })
    expect(file.read('day', BEGIN + 86_400)).toEqual([{ time: BEGIN + 86_400, values: { queues: 2 } }])
    expect(file.read('year', BEGIN + 86_400)).toHaveLength(2)
  })

  it('the file keeps its size and is readable for the relay alone', async () => {
    const { size, mode } = await stat(path)
    for (let minute = 0; minute < 100; minute++) await file.add(BEGIN + minute * 60, { queues: 1 })
    expect((await stat(path)).size).toBe(size)
    expect(size).toBeLessThan(500_000)
    expect(mode & 0o777).toBe(0o600)
  })

  it.each([
    ['cut', (content: Buffer) => content.subarray(0, 1000)],
    ['foreign', () => Buffer.from('something else')],
    ['of another version', (content: Buffer) => Buffer.concat([Buffer.from('smp samples 9'), content.subarray(13)])],
  ])('a file that is %s is put aside, and a new one begins', async (_, damage) => {
    await file.add(BEGIN, { queues: 1 })
    const damaged = damage(await readFile(path))
    await writeFile(path, damaged)
    expect((await reopened()).read('hour', BEGIN)).toEqual([])
    expect(await readFile(`${path}.damaged`)).toEqual(damaged)
    await file.add(BEGIN, { queues: 2 })
    expect((await reopened()).read('hour', BEGIN)).toEqual([{ time: BEGIN, values: { queues: 2 } }])
  })

  it('a slot with arbitrary bytes is at worst a wrong point', async () => {
    await file.add(BEGIN, { queues: 1 })
    const content = await readFile(path)
    content.fill(0xff, 16, 5000)
    await writeFile(path, content)
    await reopened()
    expect(() => file.read('day', BEGIN)).not.toThrow()
  })
})
