import { commandTable, type Party } from '../protocol/command-table.ts'
import { checkCredentials, parseCommand, type Command, type CommandType } from '../protocol/command.ts'
import type { SmpError } from '../protocol/errors.ts'
import { idAs, type EntityId, type LinkId, type NotifierId, type RcvId, type SndId } from '../protocol/ids.ts'
import type { Transmission } from '../protocol/transmission.ts'
import { NOT_STORED, StoreError, type QueueRec } from '../store/store.ts'
import type { Needs, Work } from '../store/work.ts'
import { authorize, isAmong, type RequiredKeys, type Verdict } from './authorization.ts'
import { commands, type CommandHandling, type QueueCommand } from './commands.ts'
import { touch } from './core.ts'
import { blockedError, fail, type Context, type ForwardedCommand, type Outcome, type Request } from './outcome.ts'
import { needsOf } from './needs.ts'
import { serviceError } from './service-session.ts'

const AUTH: SmpError = { type: 'AUTH' }

/** Yields where work may be long, and once what has to be loaded, if anything has, before it goes on. */
export type Execution<T> = Generator<Needs | undefined, T, undefined>

/**
 * Executes one command: parse, credentials, queue, service, authorization, blocked, and then what it asks for. It waits
 * for nothing and nobody, and yields where its work may be long, so that the caller can give others their turn: each
 * command sees the effects of all that were executed before it, of every connection. With a store that has to load, it
 * yields what the command needs before it looks at the store, exactly once, and before anything else.
 */
export function* execute(request: Request, transmission: Transmission): Execution<Outcome> {
  const command = parseCommand(transmission.command, request.version)
  if (command.type === 'error') return fail(command.error)
  const { corrId, entityId, authorization } = transmission
  const missing = checkCredentials(command.type, entityId.length > 0, authorization.type !== 'none')
  if (missing !== undefined) return fail(missing)
  request.batch?.note(commandTable[command.type].party, commands[command.type].batches)
  if (request.forwarded && !commandTable[command.type].forwardable) return fail({ type: 'CMD', error: 'PROHIBITED' })
  if (request.core.engine.loads) {
    const needs = needsOf(request, entityId, command)
    if (needs !== undefined && !(yield* isLoaded(needs))) return fail({ type: 'STORE', message: NOT_STORED })
  }
  const outcome = yield* perform({ ...request, corrId, entityId }, transmission, command)
  if ('inner' in outcome) return yield* executeForwarded(request, outcome)
  if (isRefused(outcome)) countRefusal(request, command.type)
  return outcome
}

/** Waits until what is needed is there; false when it cannot be had, which is thrown at it. */
function* isLoaded(needs: Needs): Execution<boolean> {
  try {
    yield needs
    return true
  } catch (error) {
    if (error instanceof StoreError) return false
    throw error
  }
}

/** Executes the command that another relay forwarded, and wraps its reply for the client behind that relay. */
function* executeForwarded({ core, session }: Request, { inner, version, wrap }: ForwardedCommand): Execution<Outcome> {
  const outcome = yield* execute({ core, session, version, forwarded: true }, inner)
  if ('later' in outcome) return { later: async () => wrap(await outcome.later()) }
  return { ...outcome, reply: wrap(outcome.reply) }
}

type Performance = Execution<Outcome | ForwardedCommand>

function* perform<T extends CommandType>(
  context: Context,
  transmission: Transmission,
  command: Command<T>,
): Performance {
  const handling: CommandHandling<T> = commands[command.type]
  if (handling.about === 'queue') return yield* performOnQueue(context, transmission, command, handling)
  const error = serviceError(context, transmission, command.type)
  if (error !== undefined) return fail(error)
  if (handling.keys !== undefined) {
    const verdict = yield* verdictOn(context, transmission, handling.keys(command))
    if (verdict === undefined) return fail(AUTH)
  }
  return handling.handle(context, command)
}

function* performOnQueue<T extends CommandType>(
  context: Context,
  transmission: Transmission,
  command: Command<T>,
  handling: QueueCommand<T>,
): Performance {
  const { core, entityId } = context
  const find = queuesBy[commandTable[command.type].party]
  const queue = find(core.store, entityId)
  // Computed in any case, so that it takes the same time whether there is a queue or not.
  const error = serviceError(context, transmission, command.type)
  if (queue === undefined) {
    yield* verdictOn(context, transmission, [])
    return fail(AUTH)
  }
  if (error !== undefined) return fail(error)
  const verdict = yield* verdictOn(context, transmission, handling.keys(queue, command))
  // Other sessions may have changed the queue while this was paused.
  const current = find(core.store, entityId)
  if (verdict === undefined || current === undefined) return fail(AUTH)
  if (current !== queue && !isAmong(verdict, handling.keys(current, command))) return fail(AUTH)
  if (handling.refuseBlocked && current.status.type === 'blocked') return fail(blockedError(current.status))
  if (handling.touches) touch(core, current)
  return handling.handle(context, command, current)
}

const none = (): undefined => undefined

/** The queue that an entity id names, by who sends it. */
const queuesBy: Readonly<Record<Party, (store: Work, id: EntityId) => QueueRec | undefined>> = {
  recipient: (store, id) => store.queue(idAs<RcvId>(id)),
  sender: (store, id) => store.queueBySender(idAs<SndId>(id)),
  notifier: (store, id) => store.queueByNotifier(idAs<NotifierId>(id)),
  link: (store, id) => store.queueByLink(idAs<LinkId>(id)),
  creator: none,
  service: none,
  none,
}

function verdictOn(
  { session, forwarded }: Context,
  { authorization, authorized, corrId, serviceSignature }: Transmission,
  required: RequiredKeys,
): Generator<undefined, Verdict, undefined> {
  const { service, sessionKeys } = session.link
  // With a service's signature the queue's key signs for that service alone (wire format §5.3).
  const signed =
    service !== undefined && serviceSignature !== undefined ? Buffer.concat([service.certHash, authorized]) : authorized
  return authorize(authorization, required, {
    authorized: signed,
    corrId,
    sessionPrivateKey: sessionKeys.privateKey,
    agreed: forwarded ? undefined : session.agreed,
  })
}

function isRefused(outcome: Outcome): boolean {
  return 'reply' in outcome && outcome.reply.type === 'ERR' && outcome.reply.error.type === 'AUTH'
}

function countRefusal({ core }: Request, type: CommandType): void {
  const { refused } = commands[type]
  if (refused !== undefined) core.stats[refused]++
}
