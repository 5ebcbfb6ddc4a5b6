import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { BlockAssembler } from '../../../src/transport/block-assembler.ts'

const SIZE = 16384

function assemble(assembler: BlockAssembler, pieces: readonly Buffer[]): Buffer[] {
  const blocks: Buffer[] = []
  for (const piece of pieces) {
    for (let rest = piece; rest.length > 0;) {
      const part = rest.subarray(0, assembler.missing)
      rest = rest.subarray(part.length)
      const block = assembler.add(part)
      if (block) blocks.push(block)
    }
  }
  return blocks
}

describe('block-assembler', () => {
  it('a block assembler passes on a piece that is one whole block without a copy', () => {
    const block = randomBytes(SIZE)
    expect(new BlockAssembler().add(block)).toBe(block)
  })

  it('a block assembler makes the same two blocks wherever the stream is split', () => {
    const stream = randomBytes(2 * SIZE)
    const wrong: number[] = []
    for (let at = 1; at < stream.length; at++) {
      const blocks = assemble(new BlockAssembler(), [stream.subarray(0, at), stream.subarray(at)])
      const same = blocks.length === 2 && Buffer.concat(blocks).equals(stream)
      if (!same) wrong.push(at)
    }
    expect(wrong).toEqual([])
  })

  it('a block assembler makes a block of single bytes', () => {
    const block = randomBytes(SIZE)
    const assembler = new BlockAssembler()
    const blocks = assemble(
      assembler,
      [...block].map((byte) => Buffer.of(byte)),
    )
    expect(blocks).toEqual([block])
    expect(assembler.partial).toBe(false)
  })

  it('a block assembler never gives the same buffer to two blocks', () => {
    const assembler = new BlockAssembler()
    const pieces = [randomBytes(SIZE - 1), randomBytes(2), randomBytes(SIZE - 1)]
    const [first, second] = assemble(assembler, pieces)
    expect(first?.buffer).not.toBe(second?.buffer)
  })

  it('a block assembler knows whether a block has begun', () => {
    const assembler = new BlockAssembler()
    expect(assembler.partial).toBe(false)
    assembler.add(Buffer.alloc(1))
    expect(assembler.partial).toBe(true)
    expect(assembler.missing).toBe(SIZE - 1)
    assembler.discard()
    expect(assembler.partial).toBe(false)
  })

  it('a block assembler refuses a piece that crosses the end of the block', () => {
    const assembler = new BlockAssembler()
    assembler.add(Buffer.alloc(1))
    expect(() => assembler.add(Buffer.alloc(SIZE))).toThrow(RangeError)
  })
})
