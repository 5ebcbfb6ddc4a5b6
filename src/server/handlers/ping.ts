import type { Outcome } from '../outcome.ts'

const PONG: Outcome = { reply: { type: 'PONG' } }

/** PING: answers PONG. */
export function ping(): Outcome {
  return PONG
}
