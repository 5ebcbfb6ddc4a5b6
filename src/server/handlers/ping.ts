import type { Outcome } from '../outcome.ts'

const PONG: Outcome = { reply: { type: 'PONG' } }

/** PING: says that the relay is there. */
export function ping(): Outcome {
  return PONG
}
