const LF = 0x0a

/** Lines that became complete; `tooLong` when what follows is longer than a line may be. */
export interface SplitLines {
  readonly lines: readonly string[]
  readonly tooLong: boolean
}

/**
 * Splits received bytes into lines that end with LF or CRLF. A line is a latin1 string, one character per byte, without
 * its line ending; at most one line of the maximum length is kept.
 */
export class LineSplitter {
  readonly #maxLength: number
  #begun = ''

  /** @param maxLength bytes of a line without its line ending */
  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /** What follows the last line ending: the last line, when the peer ends without one. */
  get begun(): string {
    return this.#begun
  }

  push(bytes: Buffer): SplitLines {
    const lines: string[] = []
    let start = 0
    for (;;) {
      const end = bytes.indexOf(LF, start)
      const length = this.#begun.length + (end < 0 ? bytes.length : end) - start
      // One more for the CR of a line end.
      if (length > this.#maxLength + 1) return { lines, tooLong: true }
      this.#begun += bytes.toString('latin1', start, end < 0 ? bytes.length : end)
      if (end < 0) return { lines, tooLong: false }
      const line = this.#begun.endsWith('\r') ? this.#begun.slice(0, -1) : this.#begun
      if (line.length > this.#maxLength) return { lines, tooLong: true }
      lines.push(line)
      this.#begun = ''
      start = end + 1
    }
  }
}
