import { boxKey, cbNonce, dh, open, openPadded, reverseNonce, seal, sealPadded } from '../../crypto/box.ts'
import type { Command } from '../../protocol/command.ts'
import type { SmpError } from '../../protocol/errors.ts'
import { NO_ENTITY, type EntityId } from '../../protocol/ids.ts'
import { PROXIED_PADDED_SIZE } from '../../protocol/limits.ts'
import { encodeFwdResponse, parseFwdTransmission } from '../../protocol/proxy-messages.ts'
import { encodeReply, type Reply } from '../../protocol/reply.ts'
import {
  encodeTransmission,
  packBlocks,
  parsePayload,
  parseTransmission,
  transmissionContext,
} from '../../protocol/transmission.ts'
import { fail, type Context, type ForwardedCommand, type Outcome } from '../outcome.ts'

const BLOCK: SmpError = { type: 'BLOCK' }
const NO_CORR_ID = Buffer.alloc(0)

/**
 * RFWD: opens what another relay forwarded for one of its clients, and returns the one command inside with the layers for
 * its reply: the proxy's box around the client's padded box (SMP server behaviour §8.4). The session id is implied in
 * what was forwarded, whatever its version; what cannot be read is the client's fault, and the client is told.
 */
export function forwarded(context: Context, command: Command<'RFWD'>): Outcome | ForwardedCommand {
  const { core, session, corrId } = context
  const { link } = session
  if (link.sessionSecret === undefined) {
    return fail({ type: 'PROXY', error: { type: 'BROKER', error: { type: 'TRANSPORT', error: { type: 'NO_AUTH' } } } })
  }
  const proxyKey = boxKey(link.sessionSecret)
  const proxyNonce = cbNonce(corrId)
  const opened = open(proxyKey, proxyNonce, command.encFwdTransmission)
  if (opened === undefined) return fail({ type: 'CRYPTO' })
  const fwd = parseFwdTransmission(opened)
  if (fwd === undefined) return fail({ type: 'CMD', error: 'SYNTAX' })
  const secret = dh(link.sessionKeys.privateKey, fwd.key)
  const clientKey = secret && boxKey(secret)
  const clientNonce = cbNonce(fwd.corrId)
  const payload = clientKey && openPadded(clientKey, clientNonce, fwd.encTransmission)
  if (clientKey === undefined || payload === undefined) return fail({ type: 'CRYPTO' })
  const transmissions = parsePayload(payload)
  if (transmissions !== undefined && transmissions.length > 1) return fail(BLOCK)
  core.stats.pMsgFwdsRecv++

  const inner = { ...transmissionContext(fwd.version, link.sessionId), implySessionId: true }
  const wrap = (innerCorrId: Buffer, entityId: EntityId, reply: Reply): Reply => {
    const message = encodeTransmission(innerCorrId, entityId, encodeReply(reply, fwd.version), inner)
    const [response] = packBlocks([message])
    if (response === undefined || response.length > PROXIED_PADDED_SIZE - 2) return { type: 'ERR', error: BLOCK }
    const encResponse = sealPadded(clientKey, reverseNonce(clientNonce), response, PROXIED_PADDED_SIZE)
    const fwdResponse = encodeFwdResponse({ corrId: fwd.corrId, encResponse })
    return { type: 'RRES', encFwdResponse: seal(proxyKey, reverseNonce(proxyNonce), fwdResponse) }
  }

  const [only] = transmissions ?? []
  if (only === undefined) return { reply: wrap(NO_CORR_ID, NO_ENTITY, { type: 'ERR', error: BLOCK }) }
  const parsed = parseTransmission(only, inner)
  if (parsed.type === 'error') return { reply: wrap(parsed.corrId, NO_ENTITY, { type: 'ERR', error: parsed.error }) }
  return { inner: parsed, version: fwd.version, wrap: (reply) => wrap(parsed.corrId, parsed.entityId, reply) }
}
