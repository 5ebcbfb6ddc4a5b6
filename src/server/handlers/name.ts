import type { Command } from '../../protocol/command.ts'
import { fail, type Context, type Outcome } from '../outcome.ts'

/** RSLV: this relay has no resolver configured. */
export function resolveName(context: Context, _command: Extract<Command, { type: 'RSLV' }>): Outcome {
  context.core.stats.names.reqs++
  context.core.stats.names.disabled++
  return fail({ type: 'NAME', error: { type: 'NO_RESOLVER' } })
}
