/*
 * The framing of a tor's control port (Tor control-spec §2.3), bytes in, messages out.
 *
 *   message  = *(midLine / dataLine) endLine
 *   midLine  = 3DIGIT "-" text CRLF
 *   dataLine = 3DIGIT "+" text CRLF *(line CRLF) "." CRLF      ; a line that begins with "." is sent with one more
 *   endLine  = 3DIGIT " " text CRLF
 *
 * Messages with a status of 6xx are events: they come between a command and its reply, never inside a reply.
 */

export interface ReplyLine {
  readonly text: string
  /** What followed a `+` line, dots unstuffed, lines joined by `\n`. */
  readonly data?: string
}

export interface ControlMessage {
  /** Status of the last line: 250 = done, 4xx and 5xx = refused, 6xx = event. */
  readonly status: number
  /** At least one. */
  readonly lines: readonly ReplyLine[]
}

/** The other side does not speak the control protocol; the connection is unusable from now on. */
export class FramingError extends Error {
  override readonly name = 'FramingError'
}

/** The longest message; the largest ones that this program asks for have a few kilobytes. */
export const maxMessageBytes = 8 * 1024 * 1024
const maxLineBytes = 1024 * 1024

interface OpenData {
  readonly text: string
  readonly lines: string[]
}

/** Collects chunks, split anywhere, into messages. After a `FramingError` it must not be used again. */
export class ReplyParser {
  #rest: Buffer = Buffer.alloc(0)
  #bytes = 0
  #status = 0
  #lines: ReplyLine[] = []
  #data: OpenData | undefined

  /**
   * The messages that are complete with this chunk, in order.
   *
   * @throws FramingError
   */
  push(chunk: Uint8Array): ControlMessage[] {
    const bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk])
    const messages: ControlMessage[] = []
    let from = 0
    for (let end = bytes.indexOf('\r\n'); end >= 0; end = bytes.indexOf('\r\n', from)) {
      const message = this.#line(bytes.toString('utf8', from, end))
      this.#bytes += end + 2 - from
      if (this.#bytes > maxMessageBytes) throw new FramingError('a reply is too long')
      from = end + 2
      if (message) {
        messages.push(message)
        this.#bytes = 0
      }
    }
    if (bytes.length - from > maxLineBytes) throw new FramingError('a line is too long')
    this.#rest = bytes.subarray(from)
    return messages
  }

  #line(line: string): ControlMessage | undefined {
    if (this.#data) {
      if (line !== '.') this.#data.lines.push(line.startsWith('.') ? line.slice(1) : line)
      else {
        this.#lines.push({ text: this.#data.text, data: this.#data.lines.join('\n') })
        this.#data = undefined
      }
      return undefined
    }
    const match = /^([2-6]\d\d)([ +-])(.*)$/s.exec(line)
    if (!match) throw new FramingError('a line has no status')
    const [, digits, separator, text = ''] = match
    const status = Number(digits)
    if (this.#status !== 0 && isEvent(this.#status) !== isEvent(status)) {
      throw new FramingError('there is an event inside a reply')
    }
    this.#status = status
    if (separator === '+') {
      this.#data = { text, lines: [] }
      return undefined
    }
    this.#lines.push({ text })
    if (separator === '-') return undefined
    const message = { status, lines: this.#lines }
    this.#status = 0
    this.#lines = []
    return message
  }
}

/** Whether tor sent the message by itself, not as the reply to a command. */
export function isEvent(status: number): boolean {
  return status >= 600
}
