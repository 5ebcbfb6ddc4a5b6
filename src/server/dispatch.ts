import { checkCredentials, parseCommand, type Command } from '../protocol/command.ts'
import type { SmpError } from '../protocol/errors.ts'
import { idAs, type LinkId, type NotifierId, type RcvId, type SndId } from '../protocol/ids.ts'
import type { Transmission } from '../protocol/transmission.ts'
import type { AuthKey } from '../crypto/keys.ts'
import type { QueueRec } from '../store/store.ts'
import { isAuthorized } from './authorization.ts'
import { touch, type Core } from './core.ts'
import { deleteLink, getLink, isOpenToRead, secureByLink, setLink } from './handlers/link.ts'
import { newQueue } from './handlers/new-queue.ts'
import { deleteNotifier, setNotifier, subscribeNotifier } from './handlers/notifier.ts'
import { forwardToRelay, openRelaySession } from './handlers/proxy.ts'
import { forwarded } from './handlers/forward.ts'
import { deleteQueue, queueInfo, suspendQueue } from './handlers/queue.ts'
import { acknowledge, getMessage } from './handlers/receive.ts'
import { resolveName } from './handlers/name.ts'
import { mayBecomeSenderKey, secureByRecipient, secureBySender, setRecipientKeys } from './handlers/secure.ts'
import { send } from './handlers/send.ts'
import { subscribeService } from './handlers/service.ts'
import { subscribe } from './handlers/subscribe.ts'
import { blockedError, fail, type Context, type Outcome, type Request } from './outcome.ts'
import { roleAllows, serviceSignatureError } from './service-session.ts'
import { countRefused } from './statistics/commands.ts'

/** Commands that may come through a proxy; a proxied client has no connection to receive anything on. */
const FORWARDABLE: readonly Command['type'][] = ['SEND', 'SKEY', 'LKEY', 'LGET', 'RSLV']

/**
 * Does one command: parse, credentials, queue, role, service signature, authorisation, blocked, and then what it asks
 * for. Nothing here waits: each command sees the effects of all earlier ones of every connection.
 */
export function execute(request: Request, transmission: Transmission): Outcome {
  const command = parseCommand(transmission.command, request.version)
  if (command.type === 'error') return fail(command.error)
  const missing = checkCredentials(
    command.type,
    transmission.entityId.length > 0,
    transmission.authorization.type !== 'none',
  )
  if (missing !== undefined) return fail(missing)
  request.batch?.note(command.type)
  if (request.forwarded && !FORWARDABLE.includes(command.type)) return fail({ type: 'CMD', error: 'PROHIBITED' })
  const { corrId, entityId } = transmission
  const outcome = perform({ ...request, corrId, entityId }, transmission, command)
  if (refused(outcome)) countRefused(request.core.stats, command.type)
  return outcome
}

function refused(outcome: Outcome): boolean {
  return 'reply' in outcome && outcome.reply.type === 'ERR' && outcome.reply.error.type === 'AUTH'
}

function perform(context: Context, transmission: Transmission, command: Command): Outcome {
  const { store } = context.core
  switch (command.type) {
    case 'NEW': {
      const error =
        checkService(context, transmission, command.type) ?? checkKeys(context, transmission, [command.rcvAuthKey])
      return error ? fail(error) : newQueue(context, command)
    }
    case 'SUB':
    case 'KEY':
    case 'RKEY':
    case 'LSET':
    case 'LDEL':
    case 'NKEY':
    case 'NDEL':
    case 'GET':
    case 'ACK':
    case 'OFF':
    case 'DEL':
    case 'QUE': {
      const queue = store.queue(idAs<RcvId>(context.entityId))
      return checked(context, transmission, command.type, queue, queue?.recipientKeys ?? [], (found) =>
        recipientCommand(context, command, found),
      )
    }
    case 'SKEY': {
      const queue = store.queueBySender(idAs<SndId>(context.entityId))
      const keys = queue?.queueMode === 'M' && mayBecomeSenderKey(queue, command.key) ? [command.key] : []
      return checked(context, transmission, command.type, queue, keys, (found) =>
        secureBySender(context, command, found),
      )
    }
    case 'LKEY': {
      const queue = store.queueByLink(idAs<LinkId>(context.entityId))
      const keys = queue?.queueMode === 'M' && mayBecomeSenderKey(queue, command.key) ? [command.key] : []
      return checked(context, transmission, command.type, queue, keys, (found) => secureByLink(context, command, found))
    }
    case 'NSUB': {
      const queue = store.queueByNotifier(idAs<NotifierId>(context.entityId))
      const keys = queue?.notifier ? [queue.notifier.key] : []
      return checked(context, transmission, command.type, queue, keys, (found) => subscribeNotifier(context, found))
    }
    case 'SEND':
      return sendCommand(context, transmission, command)
    case 'LGET': {
      const queue = store.queueByLink(idAs<LinkId>(context.entityId))
      if (queue === undefined) return fail({ type: 'AUTH' })
      const error =
        checkService(context, transmission, command.type) ??
        (isOpenToRead(queue) ? useQueue(context.core, command.type, queue) : { type: 'AUTH' })
      return error ? fail(error) : getLink(context, queue)
    }
    case 'SUBS':
    case 'NSUBS': {
      const error = checkService(context, transmission, command.type)
      return error ? fail(error) : subscribeService(context, command)
    }
    case 'PING':
    case 'PRXY':
    case 'PFWD':
    case 'RFWD':
    case 'RSLV': {
      const error = checkService(context, transmission, command.type)
      return error ? fail(error) : serverCommand(context, command)
    }
  }
}

type RecipientCommand = Extract<
  Command,
  { type: 'SUB' | 'KEY' | 'RKEY' | 'LSET' | 'LDEL' | 'NKEY' | 'NDEL' | 'GET' | 'ACK' | 'OFF' | 'DEL' | 'QUE' }
>

function recipientCommand(context: Context, command: RecipientCommand, queue: QueueRec): Outcome {
  switch (command.type) {
    case 'SUB':
      return subscribe(context, queue)
    case 'KEY':
      return secureByRecipient(context, command, queue)
    case 'RKEY':
      return setRecipientKeys(context, command, queue)
    case 'LSET':
      return setLink(context, command, queue)
    case 'LDEL':
      return deleteLink(context, queue)
    case 'NKEY':
      return setNotifier(context, command, queue)
    case 'NDEL':
      return deleteNotifier(context, queue)
    case 'GET':
      return getMessage(context, queue)
    case 'ACK':
      return acknowledge(context, command, queue)
    case 'OFF':
      return suspendQueue(context, queue)
    case 'DEL':
      return deleteQueue(context, queue)
    case 'QUE':
      return queueInfo(context, queue)
  }
}

type ServerCommand = Extract<Command, { type: 'PING' | 'PRXY' | 'PFWD' | 'RFWD' | 'RSLV' }>

function serverCommand(context: Context, command: ServerCommand): Outcome {
  switch (command.type) {
    case 'PING':
      return { reply: { type: 'PONG' } }
    case 'PRXY':
      return openRelaySession(context, command)
    case 'PFWD':
      return forwardToRelay(context, command)
    case 'RFWD':
      return forwarded(context, command)
    case 'RSLV':
      return resolveName(context, command)
  }
}

/** SEND: signed with the sender's key once there is one, and unsigned before that. */
function sendCommand(
  context: Context,
  transmission: Transmission,
  command: Extract<Command, { type: 'SEND' }>,
): Outcome {
  const { core } = context
  const queue = core.store.queueBySender(idAs<SndId>(context.entityId))
  if (queue !== undefined && queue.senderKey === undefined && transmission.authorization.type === 'none') {
    const error = checkService(context, transmission, command.type)
    if (error) return fail(error)
    touch(core, queue)
    return send(context, command, queue)
  }
  return checked(context, transmission, command.type, queue, queue?.senderKey ? [queue.senderKey] : [], (found) =>
    send(context, command, found),
  )
}

/** The checks that a command about a queue passes before it is done. */
function checked(
  context: Context,
  transmission: Transmission,
  type: Command['type'],
  queue: QueueRec | undefined,
  keys: readonly AuthKey[],
  perform: (queue: QueueRec) => Outcome,
): Outcome {
  if (queue === undefined) {
    checkKeys(context, transmission, [])
    return fail({ type: 'AUTH' })
  }
  const error =
    checkService(context, transmission, type) ??
    checkKeys(context, transmission, keys) ??
    useQueue(context.core, type, queue)
  return error ? fail(error) : perform(queue)
}

function checkService(context: Context, transmission: Transmission, type: Command['type']): SmpError | undefined {
  const service = context.forwarded ? undefined : context.session.link.service
  if (service !== undefined && !roleAllows(service.role, type)) return { type: 'CMD', error: 'PROHIBITED' }
  return serviceSignatureError(service, transmission, type)
}

function checkKeys(context: Context, transmission: Transmission, keys: readonly AuthKey[]): SmpError | undefined {
  const { link } = context.session
  const signed =
    link.service !== undefined && transmission.serviceSignature !== undefined
      ? Buffer.concat([link.service.certHash, transmission.authorized])
      : transmission.authorized
  const what = {
    authorized: signed,
    corrId: transmission.corrId,
    sessionPrivateKey: link.sessionKeys.privateKey,
    agreed: context.forwarded ? undefined : context.session.agreed,
  }
  return isAuthorized(transmission.authorization, keys, what) ? undefined : { type: 'AUTH' }
}

/** Refuses blocked queues where the command does not decide for itself, and notes the day on which a queue was used. */
function useQueue(core: Core, type: Command['type'], queue: QueueRec): SmpError | undefined {
  if (type === 'OFF' || type === 'DEL' || type === 'NSUB') return undefined
  if (type !== 'SEND' && queue.status.type === 'blocked') return blockedError(queue.status)
  touch(core, queue)
  return undefined
}
