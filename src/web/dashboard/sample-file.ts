import { open, rename, type FileHandle } from 'node:fs/promises'
import { mergeSamples, SAMPLE_FIELD_NAMES, type Sample, type SampleField, type SampleValues } from './samples.ts'

/**
 * A level of detail: so many slots of `seconds` each. A slot is overwritten when its time comes again.
 */
interface Level {
  readonly seconds: number
  readonly slots: number
}

/** A day by the minute, 30 days by the half hour, a year (366 days) by six hours. */
const LEVELS = {
  minute: { seconds: 60, slots: 1440 },
  halfHour: { seconds: 1800, slots: 1440 },
  sixHours: { seconds: 21_600, slots: 1464 },
} as const satisfies Readonly<Record<string, Level>>

type LevelName = keyof typeof LEVELS

/** What the dashboard shows. */
export const SAMPLE_RANGES = {
  hour: { level: 'minute', seconds: 3600 },
  day: { level: 'minute', seconds: 86_400 },
  month: { level: 'halfHour', seconds: 30 * 86_400 },
  year: { level: 'sixHours', seconds: 366 * 86_400 },
} as const satisfies Readonly<Record<string, { level: LevelName; seconds: number }>>

export type SampleRange = keyof typeof SAMPLE_RANGES

/*
 *     file   = header slots
 *     header = 16("smp samples 1", padded with zeros)
 *     slot   = uint32(time) 24*float32       all little-endian; time 0: empty; NaN: not known
 *
 * 100 bytes a slot, 434,400 in all. Every slot is written by itself: what a crash leaves of one is at worst one wrong
 * point of a chart.
 */
const HEADER = Buffer.alloc(16)
HEADER.write('smp samples 1')
const FIELD_COUNT = 24
const SLOT_SIZE = 4 + 4 * FIELD_COUNT

/** Samples of the last year in a file of fixed size: sums over all queues and users, nothing about any of them. */
export class SampleFile {
  readonly #file: FileHandle
  readonly #slots: Buffer

  private constructor(file: FileHandle, slots: Buffer) {
    this.#file = file
    this.#slots = slots
  }

  /**
   * Opens the file, or makes it. What is no such file is renamed to `PATH.damaged`.
   *
   * @throws the system's error
   */
  static async open(path: string): Promise<SampleFile> {
    const size = Object.values(LEVELS).reduce((sum, { slots }) => sum + slots * SLOT_SIZE, 0)
    let file = await open(path, 'a+', 0o600)
    await file.close()
    file = await open(path, 'r+')
    const content = await file.readFile()
    if (content.length === HEADER.length + size && content.subarray(0, HEADER.length).equals(HEADER)) {
      return new SampleFile(file, Buffer.from(content.subarray(HEADER.length)))
    }
    if (content.length > 0) {
      await file.close()
      await rename(path, `${path}.damaged`)
      file = await open(path, 'wx+', 0o600)
    }
    const slots = Buffer.alloc(size)
    await file.write(Buffer.concat([HEADER, slots]), 0, HEADER.length + size, 0)
    return new SampleFile(file, slots)
  }

  /** Keeps the values of the minute that `time` (Unix seconds) is in, and renews the longer intervals around it. */
  async add(time: number, values: SampleValues): Promise<void> {
    await this.#put('minute', { time: floor(time, LEVELS.minute.seconds), values })
    await this.#renew('halfHour', 'minute', time)
    await this.#renew('sixHours', 'halfHour', time)
  }

  /** The samples of a range that ends `now` (Unix seconds), oldest first. */
  read(range: SampleRange, now: number): Sample[] {
    const { level, seconds } = SAMPLE_RANGES[range]
    return this.#between(level, now - seconds, now)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async #renew(level: LevelName, from: LevelName, time: number): Promise<void> {
    const { seconds } = LEVELS[level]
    const begin = floor(time, seconds)
    const sample = mergeSamples(begin, this.#between(from, begin, begin + seconds - 1))
    if (sample !== undefined) await this.#put(level, sample)
  }

  #between(level: LevelName, from: number, to: number): Sample[] {
    const { seconds, slots } = LEVELS[level]
    const samples: Sample[] = []
    const first = Math.max(floor(from, seconds), floor(to, seconds) - (slots - 1) * seconds)
    for (let time = first; time <= to; time += seconds) {
      const sample = this.#get(level, time)
      if (sample !== undefined) samples.push(sample)
    }
    return samples
  }

  #get(level: LevelName, time: number): Sample | undefined {
    const slot = this.#slots.subarray(offsetOf(level, time))
    if (slot.readUInt32LE(0) !== time) return undefined
    const values: Partial<Record<SampleField, number>> = {}
    for (const [index, name] of SAMPLE_FIELD_NAMES.entries()) {
      const value = slot.readFloatLE(4 + 4 * index)
      if (Number.isFinite(value)) values[name] = value
    }
    return { time, values }
  }

  async #put(level: LevelName, { time, values }: Sample): Promise<void> {
    const offset = offsetOf(level, time)
    const slot = this.#slots.subarray(offset, offset + SLOT_SIZE)
    slot.writeUInt32LE(time, 0)
    for (let index = 0; index < FIELD_COUNT; index++) {
      const name = SAMPLE_FIELD_NAMES[index]
      slot.writeFloatLE((name && values[name]) ?? NaN, 4 + 4 * index)
    }
    await this.#file.write(slot, 0, SLOT_SIZE, HEADER.length + offset)
  }
}

function floor(time: number, seconds: number): number {
  return Math.floor(time / seconds) * seconds
}

/** Where the slot of a time is, behind the header. */
function offsetOf(level: LevelName, time: number): number {
  let offset = 0
  for (const [name, { seconds, slots }] of Object.entries(LEVELS)) {
    if (name === level) return offset + (Math.floor(time / seconds) % slots) * SLOT_SIZE
    offset += slots * SLOT_SIZE
  }
  return offset
}
