import type { Logger } from '../config/log.ts'
import type { Reply } from '../protocol/reply.ts'

/** Commands that wait for others, each of which may hold its block, before no more are executed. */
const MAX_WAITING = 64

/**
 * Commands of one connection that wait for other relays or a name resolver. So many run at once; the others wait for one
 * of them to end.
 */
export class LaterReplies {
  readonly #concurrency: number
  readonly #log: Logger
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(concurrency: number, log: Logger) {
    this.#concurrency = concurrency
    this.#log = log
  }

  /** Commands that have not started. */
  get waiting(): number {
    return this.#waiting.length
  }

  get isFull(): boolean {
    return this.#waiting.length >= MAX_WAITING
  }

  /** Starts the work now or later, and answers when it is done. A failure of this program is answered with ERR INTERNAL. */
  add(work: () => Promise<Reply>, answer: (reply: Reply) => void): void {
    const end = (reply: Reply): void => {
      this.#running--
      this.#waiting.shift()?.()
      answer(reply)
    }
    const start = (): void => {
      this.#running++
      work().then(end, (error: unknown) => {
        this.#log.error('a command failed', { error })
        end({ type: 'ERR', error: { type: 'INTERNAL' } })
      })
    }
    if (this.#running < this.#concurrency) start()
    else this.#waiting.push(start)
  }

  /** Forgets what has not started. */
  clear(): void {
    this.#waiting.length = 0
  }
}
