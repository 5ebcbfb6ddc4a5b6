import type { Command, CommandType } from '../protocol/command.ts'
import type { QueueRec } from '../store/store.ts'
import type { RequiredKeys } from './authorization.ts'
import { forwarded } from './handlers/forward.ts'
import { deleteLink, getLink, openLink, secureByLink, setLink } from './handlers/link.ts'
import { resolveName } from './handlers/name.ts'
import { creatorKey, newQueue } from './handlers/new-queue.ts'
import { deleteNotifier, notifierKey, setNotifier, subscribeNotifier } from './handlers/notifier.ts'
import { ping } from './handlers/ping.ts'
import { forwardToRelay, openRelaySession } from './handlers/proxy.ts'
import { deleteQueue, queueInfo, recipientKeys, suspendQueue } from './handlers/queue.ts'
import { acknowledge, getMessage } from './handlers/receive.ts'
import { newSenderKey, secureByRecipient, secureBySender, setRecipientKeys } from './handlers/secure.ts'
import { send, senderKey } from './handlers/send.ts'
import { subscribeService } from './handlers/service.ts'
import { subscribe } from './handlers/subscribe.ts'
import type { Context, ForwardedCommand, Outcome } from './outcome.ts'
import type { CounterName } from './statistics/counters.ts'

/** Counters that the handler does not touch. */
interface Counted {
  /** How often it was answered with ERR AUTH. */
  readonly refused?: CounterName
  /** Blocks with several commands of its party, of which it was the first. */
  readonly batches?: CounterName
}

/** A command about the queue that its entity id names; its party says by which of the queue's ids. */
export interface QueueCommand<T extends CommandType> extends Counted {
  readonly about: 'queue'
  readonly keys: (queue: QueueRec, command: Command<T>) => RequiredKeys
  /** Whether it is answered with ERR BLOCKED when the queue is blocked; otherwise that is for the handler to decide. */
  readonly refuseBlocked: boolean
  /** Whether it counts as a use of the queue. */
  readonly touches: boolean
  readonly handle: (context: Context, command: Command<T>, queue: QueueRec) => Outcome
}

/** A command about the relay itself, or another one. */
export interface RelayCommand<T extends CommandType> extends Counted {
  readonly about: 'relay'
  readonly keys?: (command: Command<T>) => RequiredKeys
  readonly handle: (context: Context, command: Command<T>) => Outcome | ForwardedCommand
}

export type CommandHandling<T extends CommandType> = QueueCommand<T> | RelayCommand<T>

const queue = { about: 'queue', refuseBlocked: true, touches: true } as const
const recipient = { ...queue, keys: recipientKeys } as const
const relay = { about: 'relay' } as const
/** Allowed on blocked queues as well, and not counted as a use. */
const always = { refuseBlocked: false, touches: false } as const

/**
 * What the relay does for each command of {@link commandTable}: which keys authorise it, when it is refused, how it is
 * counted, and its handler.
 */
export const commands: { readonly [T in CommandType]: CommandHandling<T> } = {
  NEW: { ...relay, keys: creatorKey, handle: newQueue },

  SUB: { ...recipient, refused: 'qSubAuth', batches: 'qSubAllB', handle: subscribe },
  KEY: { ...recipient, handle: secureByRecipient },
  RKEY: { ...recipient, handle: setRecipientKeys },
  LSET: { ...recipient, handle: setLink },
  LDEL: { ...recipient, handle: deleteLink },
  NKEY: { ...recipient, handle: setNotifier },
  NDEL: { ...recipient, batches: 'ntfDeletedB', handle: deleteNotifier },
  GET: { ...recipient, refused: 'msgGetAuth', handle: getMessage },
  ACK: { ...recipient, handle: acknowledge },
  OFF: { ...recipient, ...always, handle: suspendQueue },
  DEL: { ...recipient, ...always, batches: 'qDeletedAllB', handle: deleteQueue },
  QUE: { ...recipient, handle: queueInfo },

  SKEY: { ...queue, keys: newSenderKey, handle: secureBySender },
  SEND: { ...queue, keys: senderKey, refuseBlocked: false, refused: 'msgSentAuth', handle: send },

  LKEY: { ...queue, keys: newSenderKey, handle: secureByLink },
  LGET: { ...queue, keys: openLink, handle: getLink },

  NSUB: {
    ...queue,
    ...always,
    keys: notifierKey,
    refused: 'ntfSubAuth',
    batches: 'ntfSubB',
    handle: subscribeNotifier,
  },

  SUBS: { ...relay, handle: subscribeService },
  NSUBS: { ...relay, handle: subscribeService },

  PING: { ...relay, handle: ping },
  PRXY: { ...relay, handle: openRelaySession },
  PFWD: { ...relay, handle: forwardToRelay },
  RFWD: { ...relay, handle: forwarded },
  RSLV: { ...relay, handle: resolveName },
}
