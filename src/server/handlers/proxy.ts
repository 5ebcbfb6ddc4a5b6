import type { Command } from '../../protocol/command.ts'
import { fail, type Context, type Outcome } from '../outcome.ts'
import { samePassword } from '../password.ts'

/** PRXY: connects to another relay for a client. */
export function openRelaySession(context: Context, command: Extract<Command, { type: 'PRXY' }>): Outcome {
  if (!samePassword(context.core.policy.createPassword, command.password)) {
    return fail({ type: 'PROXY', error: { type: 'BASIC_AUTH' } })
  }
  return fail({ type: 'PROXY', error: { type: 'BROKER', error: { type: 'HOST' } } })
}

/** PFWD: forwards a client's command to a relay that it has a session with. */
export function forwardToRelay(_context: Context, _command: Extract<Command, { type: 'PFWD' }>): Outcome {
  return fail({ type: 'PROXY', error: { type: 'NO_SESSION' } })
}
