import type { Command, CommandType } from '../protocol/command.ts'
import { commandTable } from '../protocol/command-table.ts'
import { idAs, type EntityId, type LinkId, type NotifierId, type RcvId, type SndId } from '../protocol/ids.ts'
import type { Needs, QueueNeed } from '../store/work.ts'
import { seconds, type Core } from './core.ts'
import { NOTIFICATION_BATCH } from './notifications.ts'
import type { Request } from './outcome.ts'

/** How many messages, from the head of the queue, the handler of a command may look at. */
const MESSAGES: Partial<Record<CommandType, number>> = { SUB: 1, GET: 1, QUE: 1, ACK: 2 }

/** Commands that may change what a service is associated with, or tell its connection something. */
const OF_SERVICES: ReadonlySet<CommandType> = new Set<CommandType>(['NEW', 'SUB', 'NSUB', 'SUBS', 'NSUBS'])

/** Everything in the store that a command may look at or change; undefined when it has nothing to do with the store. */
export function needsOf(request: Request, entityId: EntityId, command: Command): Needs | undefined {
  if (commandTable[command.type].party === 'none') return undefined
  const queue = queueNeed(request.core, entityId, command)
  return {
    ...(queue && { queues: [queue] }),
    newIds: newIds(command),
    ...(OF_SERVICES.has(command.type) && serviceNeeds(request)),
  }
}

function queueNeed(core: Core, id: EntityId, command: Command): QueueNeed | undefined {
  switch (commandTable[command.type].party) {
    case 'recipient': {
      const messages = MESSAGES[command.type]
      const link = command.type === 'LSET'
      return { by: 'rcvId', id: idAs<RcvId>(id), ...(messages !== undefined && { messages }), link }
    }
    case 'sender': {
      const { expireOnSend, messageTtl } = core.policy
      const expires = command.type === 'SEND' && expireOnSend
      return { by: 'sndId', id: idAs<SndId>(id), ...(expires && { expiredBefore: seconds(core) - messageTtl }) }
    }
    case 'notifier':
      return { by: 'notifierId', id: idAs<NotifierId>(id), notifications: NOTIFICATION_BATCH }
    case 'link':
      return { by: 'linkId', id: idAs<LinkId>(id), link: true }
    case 'creator':
    case 'service':
    case 'none':
      return undefined
  }
}

/** Ids that the client has chosen: others may choose the same at the same time. */
function newIds(command: Command): EntityId[] {
  if (command.type === 'LSET') return [command.linkId]
  if (command.type !== 'NEW') return []
  const request = command.queueRequest
  const linkId = request?.mode === 'C' ? request.link?.linkId : undefined
  return [request?.link?.sndId, linkId].filter((id) => id !== undefined)
}

function serviceNeeds({ session, forwarded }: Request): Needs {
  const service = forwarded ? undefined : session.link.service
  return service === undefined ? {} : { services: [service.serviceId], certHash: service.certHash }
}
