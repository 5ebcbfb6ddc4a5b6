import { BLOCK_SIZE } from '../protocol/limits.ts'

/**
 * Assembles blocks of 16384 bytes from the pieces in which they arrive. A piece that is exactly one block passes through
 * without a copy; otherwise a buffer exists only from the first to the last byte of a block.
 */
export class BlockAssembler {
  #block: Buffer | undefined
  #filled = 0

  /** Bytes that complete the current block, 1..16384. */
  get missing(): number {
    return BLOCK_SIZE - this.#filled
  }

  /** Whether a block has been received in part. */
  get partial(): boolean {
    return this.#filled > 0
  }

  /** Takes 1..{@link missing} bytes; the block when they complete it. */
  add(piece: Buffer): Buffer | undefined {
    if (piece.length > this.missing) throw new RangeError('a piece crosses the end of the block')
    if (piece.length === BLOCK_SIZE) return piece
    this.#block ??= Buffer.allocUnsafeSlow(BLOCK_SIZE)
    piece.copy(this.#block, this.#filled)
    this.#filled += piece.length
    if (this.#filled < BLOCK_SIZE) return undefined
    const block = this.#block
    this.discard()
    return block
  }

  discard(): void {
    this.#block = undefined
    this.#filled = 0
  }
}
