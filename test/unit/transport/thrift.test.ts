import { describe, expect, it } from 'vitest'
import { Thrift } from '../../../src/transport/thrift.ts'

const BLOCK = 16384

function after(blocks: number, everyMs: number): boolean {
  const thrift = new Thrift()
  for (let i = 0; i < blocks; i++) thrift.count(BLOCK, 1_000_000 + i * everyMs)
  return thrift.sparing
}

describe('a connection', () => {
  it('is sparing with memory while it has little traffic, however long', () => {
    expect(after(10_000, 1000)).toBe(true)
    expect(after(10_000, 260)).toBe(true)
  })

  it('is sparing through a burst of 64 blocks, and through the next after a pause', () => {
    expect(after(64, 0)).toBe(true)
    const thrift = new Thrift()
    for (const start of [0, 60_000, 120_000]) for (let i = 0; i < 64; i++) thrift.count(BLOCK, start)
    expect(thrift.sparing).toBe(true)
  })

  it('is sparing with time, for good, once it had more', () => {
    expect(after(65, 0)).toBe(false)
    expect(after(2000, 200)).toBe(false)
    const thrift = new Thrift()
    for (let i = 0; i < 65; i++) thrift.count(BLOCK, 0)
    thrift.count(BLOCK, 1e9)
    expect(thrift.sparing).toBe(false)
  })
})
