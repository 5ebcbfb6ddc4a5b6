import type { BlockChannel } from './channel.ts'

/** A block that a handshake waits for, or why it did not arrive. */
export type Received = Buffer | 'timeout' | 'closed'

/**
 * The next block of a channel; reading is paused after it until the channel is attached again.
 *
 * @param deadline milliseconds of `performance.now()`
 */
export function receiveBlock(channel: BlockChannel, deadline: number): Promise<Received> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('timeout'), Math.max(0, deadline - performance.now()))
    const finish = (received: Received): void => {
      clearTimeout(timer)
      resolve(received)
    }
    channel.attach({
      block(block) {
        channel.pause()
        finish(block)
      },
      drain() {
        // A handshake block never fills a channel.
      },
      close() {
        finish('closed')
      },
    })
  })
}
