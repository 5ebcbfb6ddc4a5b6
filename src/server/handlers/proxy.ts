import { boxKey, cbNonce, open, reverseNonce, seal } from '../../crypto/box.ts'
import { commandTable } from '../../protocol/command-table.ts'
import type { Command } from '../../protocol/command.ts'
import { idAs, type RelayId } from '../../protocol/ids.ts'
import { NONCE_SIZE } from '../../protocol/limits.ts'
import { encodeFwdTransmission, parseFwdResponse } from '../../protocol/proxy-messages.ts'
import type { BrokerError } from '../../protocol/broker-error.ts'
import type { ProxyError } from '../../protocol/errors.ts'
import type { Reply } from '../../protocol/reply.ts'
import { FULL_RANGE, intersectRanges } from '../../protocol/versions.ts'
import type { ConnectFailure } from '../../transport/failure.ts'
import type { RequestFailure } from '../../transport/relay-client.ts'
import type { Core } from '../core.ts'
import { fail, type Context, type Outcome } from '../outcome.ts'
import type { PooledRelay, PoolResult } from '../relay-pool.ts'
import type { ProxyCounters } from '../statistics/counters.ts'

/** Versions at which a relay takes forwarded commands. */
const FORWARDING = { min: commandTable.RFWD.since, max: FULL_RANGE.max }

/** PRXY: connects to another relay for a client, and returns what the client needs to encrypt for that relay. */
export function openRelaySession(context: Context, command: Command<'PRXY'>): Outcome {
  const { core, session } = context
  if (!core.creationPassword.allows(session, command.password)) return proxyFailure({ type: 'BASIC_AUTH' })
  const counters = relayCounters(core, command.server.hosts[0], 'pRelays')
  for (const counter of counters) counter.requests++
  const known = core.relays.known(command.server)
  if (known !== undefined) return { reply: sessionReply(known, counters) }
  return { later: async () => sessionReply(await core.relays.connect(command.server, session), counters) }
}

function sessionReply(result: PoolResult, counters: readonly ProxyCounters[]): Reply {
  if ('failure' in result) {
    const error: BrokerError = result.failure === 'full' ? { type: 'NETWORK' } : connectError(result.failure)
    for (const counter of counters) counter[isTemporary(error) ? 'errorsConnect' : 'errorsOther']++
    return proxyError({ type: 'BROKER', error })
  }
  const { session } = result.client
  const range = intersectRanges(session.range, FORWARDING)
  if (range === undefined || session.link.version < FORWARDING.min) {
    for (const counter of counters) counter.errorsCompat++
    return proxyError({ type: 'BROKER', error: { type: 'TRANSPORT', error: { type: 'VERSION' } } })
  }
  if (session.certKey === undefined) {
    for (const counter of counters) counter.errorsOther++
    return proxyError({ type: 'BROKER', error: { type: 'TRANSPORT', error: { type: 'NO_AUTH' } } })
  }
  for (const counter of counters) counter.successes++
  return { type: 'PKEY', relayId: result.relayId, range, certKey: session.certKey }
}

/** PFWD: forwards a client's command, sealed for the other relay, and returns that relay's sealed reply. */
export function forwardToRelay(context: Context, command: Command<'PFWD'>): Outcome {
  const { core } = context
  const relay = core.relays.connected(idAs<RelayId>(context.entityId))
  if (relay === undefined) {
    core.stats.pMsgFwds.requests++
    core.stats.pMsgFwds.errorsConnect++
    return proxyFailure({ type: 'NO_SESSION' })
  }
  const counters = relayCounters(core, relay.address.hosts[0], 'pMsgFwds')
  for (const counter of counters) counter.requests++
  const { sessionSecret, version } = relay.client.session.link
  if (version < FORWARDING.min || sessionSecret === undefined) {
    for (const counter of counters) counter.errorsCompat++
    return proxyFailure({ type: 'BROKER', error: { type: 'TRANSPORT', error: { type: 'VERSION' } } })
  }
  return { later: () => forward(context, command, relay, sessionSecret, counters) }
}

/** PFWD's command in RFWD's box, and RRES's box opened for PRES (SMP server behaviour §8.3). */
async function forward(
  context: Context,
  command: Command<'PFWD'>,
  relay: PooledRelay,
  sessionSecret: Buffer,
  counters: readonly ProxyCounters[],
): Promise<Reply> {
  const { core, corrId } = context
  const nonce = core.random(NONCE_SIZE)
  const key = boxKey(sessionSecret)
  const beganAt = core.now()
  const fwd = encodeFwdTransmission({
    corrId,
    version: command.version,
    key: command.key,
    encTransmission: command.encTransmission,
  })
  const result = await relay.client.request(
    { type: 'RFWD', encFwdTransmission: seal(key, cbNonce(nonce), fwd) },
    { corrId: nonce },
  )
  if ('reply' in result) relay.answeredAt = core.now()
  // Nothing came back in all that time: the connection is dead, and the client's next PRXY opens a new one.
  else if (result.failure.type === 'timeout' && relay.answeredAt < beganAt) relay.client.close()
  const reply =
    'failure' in result ? proxyError(requestError(result.failure)) : response(result.reply, key, nonce, corrId)
  const served = reply.type === 'PRES' || ('reply' in result && result.reply.type === 'ERR')
  for (const counter of counters) counter[served ? 'successes' : 'errorsOther']++
  return reply
}

function response(reply: Reply, key: ReturnType<typeof boxKey>, nonce: Buffer, corrId: Buffer): Reply {
  if (reply.type === 'ERR') return proxyError({ type: 'PROTOCOL', error: reply.error })
  if (reply.type !== 'RRES') return proxyError({ type: 'BROKER', error: { type: 'UNEXPECTED', message: reply.type } })
  const opened = open(key, reverseNonce(nonce), reply.encFwdResponse)
  if (opened === undefined) return { type: 'ERR', error: { type: 'CRYPTO' } }
  const fwd = parseFwdResponse(opened)
  if (fwd?.corrId.equals(corrId) !== true) {
    return proxyError({ type: 'BROKER', error: { type: 'RESPONSE', message: 'BLOCK' } })
  }
  return { type: 'PRES', encResponse: fwd.encResponse }
}

/** What a client is told about a relay that could not be connected to. */
export function connectError(failure: ConnectFailure): BrokerError {
  switch (failure.reason) {
    case 'noHost':
      return { type: 'HOST' }
    case 'timeout':
      return { type: 'TIMEOUT' }
    case 'version':
      return { type: 'TRANSPORT', error: { type: 'VERSION' } }
    case 'session':
      return { type: 'TRANSPORT', error: { type: 'SESSION' } }
    case 'protocol':
      return { type: 'TRANSPORT', error: { type: 'HANDSHAKE', error: 'PARSE' } }
    case 'identity':
      if (failure.step === 'tls') return { type: 'NETWORK' }
      return { type: 'TRANSPORT', error: { type: 'HANDSHAKE', error: 'IDENTITY' } }
    default:
      return { type: 'NETWORK' }
  }
}

function requestError(failure: RequestFailure): ProxyError {
  switch (failure.type) {
    case 'busy':
    case 'timeout':
      return { type: 'BROKER', error: { type: 'TIMEOUT' } }
    case 'closed':
      return { type: 'BROKER', error: { type: 'NETWORK' } }
    case 'tooLarge':
      return { type: 'BROKER', error: { type: 'TRANSPORT', error: { type: 'LARGE_MSG' } } }
    case 'response':
      return { type: 'BROKER', error: { type: 'RESPONSE', message: 'CMD SYNTAX' } }
    case 'unexpected':
      return { type: 'BROKER', error: { type: 'UNEXPECTED', message: failure.reply.type } }
  }
}

function isTemporary(error: BrokerError): boolean {
  return error.type === 'NETWORK' || error.type === 'TIMEOUT'
}

/** The counters of all relays, and those of the operator's own when this is one of them. */
function relayCounters(core: Core, firstHost: string | undefined, group: 'pRelays' | 'pMsgFwds'): ProxyCounters[] {
  const own = firstHost !== undefined && isOwnHost(core.proxying.ownServerDomains, firstHost)
  return own ? [core.stats[group], core.stats[`${group}Own`]] : [core.stats[group]]
}

function isOwnHost(domains: readonly string[], host: string): boolean {
  return domains.some((domain) => host === domain || host.endsWith(`.${domain}`))
}

function proxyError(error: ProxyError): Reply {
  return { type: 'ERR', error: { type: 'PROXY', error } }
}

function proxyFailure(error: ProxyError): Outcome {
  return fail({ type: 'PROXY', error })
}
