import { describe, expect, it } from 'vitest'
import { LowMemory } from '../../../src/transport/low-memory.ts'

const BLOCK = 16384

function after(blocks: number, everyMs: number): boolean {
  const lowMemory = new LowMemory(true)
  for (let i = 0; i < blocks; i++) lowMemory.count(BLOCK, 1_000_000 + i * everyMs)
  return lowMemory.active
}

describe('low-memory', () => {
  it('a connection stays in low-memory mode while it has little traffic, however long', () => {
    expect(after(10_000, 1000)).toBe(true)
    expect(after(10_000, 260)).toBe(true)
  })

  it('a connection stays in low-memory mode through a burst of 64 blocks, and through the next after a pause', () => {
    expect(after(64, 0)).toBe(true)
    const lowMemory = new LowMemory(true)
    for (const start of [0, 60_000, 120_000]) for (let i = 0; i < 64; i++) lowMemory.count(BLOCK, start)
    expect(lowMemory.active).toBe(true)
  })

  it('a connection leaves low-memory mode for good once it had more traffic', () => {
    expect(after(65, 0)).toBe(false)
    expect(after(2000, 200)).toBe(false)
    const lowMemory = new LowMemory(true)
    for (let i = 0; i < 65; i++) lowMemory.count(BLOCK, 0)
    lowMemory.count(BLOCK, 1e9)
    expect(lowMemory.active).toBe(false)
  })
})
