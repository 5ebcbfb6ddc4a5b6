import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Random } from '../../fuzz/random.ts'

/*
 * A loss of power: what a process writes to data.mdb is recorded in its order (recorder.c), and cut off anywhere. Of what
 * was written and not yet synced, any part reaches the disk, in any order: whole writes, or only some of their sectors.
 */

/** What a disk writes as a whole, or not at all. */
const SECTORS = [512, 4096] as const

export interface Operation {
  /** As in recorder.c. */
  readonly kind: 'W' | 'D' | 'S' | 'T' | 'P' | 'C' | 'M' | 'F' | 'U'
  readonly offset: number
  readonly bytes: Buffer
  /** Nanoseconds of the monotonic clock, as `process.hrtime.bigint()`. */
  readonly at: bigint
}

/** Why nothing can be recorded on this machine. */
export function whyNoRecorder(): string | undefined {
  if (spawnSync('cc', ['--version']).error) return 'there is no C compiler (Debian package gcc)'
  return existsSync('/usr/include/stdio.h') ? undefined : 'there are no C headers (Debian package libc6-dev)'
}

/**
 * Compiles the recorder into a directory.
 *
 * @param syncUs makes every sync longer by so many microseconds, so that a reply that does not wait for it shows
 * @returns the environment of a process that is recorded into `log`
 */
export function recorder(directory: string, log: string, syncUs = 0): Record<string, string> {
  const library = join(directory, 'recorder.so')
  const source = fileURLToPath(new URL('recorder.c', import.meta.url))
  if (!existsSync(library)) execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl', '-lpthread'])
  return { LD_PRELOAD: library, RECORD_FILE: log, RECORD_SYNC_US: String(syncUs) }
}

export function readRecording(log: string): Operation[] {
  const file = readFileSync(log)
  const operations: Operation[] = []
  for (let at = 0; at < file.length;) {
    const kind = String.fromCharCode(file.readUInt8(at)) as Operation['kind']
    const offset = Number(file.readBigUInt64LE(at + 1))
    const length = Number(file.readBigUInt64LE(at + 9))
    const bytes = file.subarray(at + 25, at + 25 + length)
    operations.push({ kind, offset, bytes, at: file.readBigUInt64LE(at + 17) })
    at += 25 + length
  }
  return operations
}

/** A disk with one file: what is on it for sure, and what may be. */
export class Disk {
  #bytes: Buffer
  #size: number
  #unsynced: Operation[] = []

  /** @param file what it begins with */
  constructor(file: Buffer = Buffer.alloc(0)) {
    this.#bytes = Buffer.concat([file], Math.max(1 << 20, file.length))
    this.#size = file.length
  }

  run(operation: Operation): void {
    const { kind } = operation
    if (kind === 'W' || kind === 'T') this.#unsynced.push(operation)
    else if (kind === 'D') this.#write(operation)
    else if (kind === 'S') this.#sync()
  }

  /** The file when nothing is lost. */
  whole(): Buffer {
    this.#sync()
    return this.#bytes.subarray(0, this.#size)
  }

  /**
   * The file after the power is gone.
   *
   * @param last under way at that moment
   */
  lose(random: Random, last: Operation | undefined): Buffer {
    const after = new Disk(this.#bytes.subarray(0, this.#size))
    const unsynced =
      last !== undefined && ['W', 'D', 'T'].includes(last.kind) ? [...this.#unsynced, last] : this.#unsynced
    // All or nothing, or here and there: each is what some disk does.
    const fate = random.below(3)
    const sector = random.of(SECTORS)
    for (const operation of unsynced) {
      if (fate === 0 || (fate === 2 && random.once(2))) continue
      after.#write(operation, random.once(2) ? undefined : { sector, random })
    }
    return after.#bytes.subarray(0, after.#size)
  }

  #sync(): void {
    for (const operation of this.#unsynced) this.#write(operation)
    this.#unsynced = []
  }

  #write({ kind, offset, bytes }: Operation, torn?: { readonly sector: number; readonly random: Random }): void {
    if (kind === 'T') {
      this.#size = offset
      return
    }
    const end = offset + bytes.length
    if (end > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], end * 2)
    this.#size = Math.max(this.#size, end)
    const step = torn?.sector ?? Infinity
    for (let at = offset; at < end;) {
      const next = Math.min(end, (Math.floor(at / step) + 1) * step || end)
      if (torn === undefined || torn.random.once(2)) bytes.copy(this.#bytes, at, at - offset, next - offset)
      at = next
    }
  }
}
