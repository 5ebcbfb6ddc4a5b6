import { serveCalls } from './calls.ts'
import { attackCalls, pingCalls } from './load/attacks.ts'
import { creatorCalls } from './load/creators.ts'
import { guessCalls } from './load/guesses.ts'
import { hostileCalls } from './load/hostile.ts'
import { idleCalls } from './load/idle.ts'
import { pairCalls } from './load/pairs.ts'
import { subscriptionCalls } from './load/subscriptions.ts'
import { useSodium } from './load/sodium.ts'

// Clients of the relay under test, in a process of their own.

const calls = {
  ...pairCalls,
  ...idleCalls,
  ...creatorCalls,
  ...hostileCalls,
  ...guessCalls,
  ...attackCalls,
  ...pingCalls,
  ...subscriptionCalls,
}

export type LoadCalls = typeof calls

useSodium()
serveCalls(calls)
