import type { ServiceParty } from '../../store/store.ts'
import { inSlices } from '../../store/tables/slices.ts'
import { subscriptionsOf } from '../observe.ts'
import { threadsOf } from '../process-facts.ts'
import type { Session } from '../session.ts'
import type { Subscriptions } from '../subscriptions.ts'
import type { Role } from './roles.ts'
import { showTuple } from './show.ts'

/** Received blocks, what is to be sent, and what is deferred, over some connections. */
type Queued = readonly [received: number, sending: number, deferred: number]

/** What `server-info` counts over the connections of a process. */
export interface ServerInfo {
  readonly threads: number
  readonly clients: number
  readonly queued: Queued
  readonly clientSubscriptions: number
  /** To which nothing waits to be pushed, to which something does, and those that poll with GET. */
  readonly groups: readonly [idle: number, pending: number, polling: number]
  readonly smpClients: number
  readonly smpQueued: Queued
  readonly clientNotifiers: number
  readonly ntfQueued: Queued
  readonly subscriptions: number
  readonly pushedClients: number
  readonly recipientClients: number
  readonly notifiers: number
  /** Ids of connections. */
  readonly ntfClients: readonly number[]
  readonly notifierClients: readonly number[]
}

export async function readServerInfo(
  sessions: ReadonlySet<Session>,
  subscriptions: Subscriptions,
): Promise<ServerInfo> {
  const all = [...sessions]
  const smpClients = all.filter((session) => session.subscriptions.size > 0)
  const ntfClients = all.filter((session) => session.notifiers.size > 0)
  const isOfService = (session: Session, party: ServiceParty): boolean => {
    const serviceId = session.link.service?.serviceId
    return serviceId !== undefined && subscriptions.service(party, serviceId) === session
  }
  const recipientClients = all.filter((session) => session.subscriptions.pushed > 0 || isOfService(session, 'R'))
  const notifierClients = all.filter((session) => session.notifiers.size > 0 || isOfService(session, 'N'))
  const { recipients, notifiers } = subscriptions.counts()
  const idsOf = (some: readonly Session[]): number[] => some.map(({ id }) => id)
  return {
    threads: (await threadsOf()).length,
    clients: sessions.size,
    queued: queued(sessions),
    clientSubscriptions: sum(smpClients, (session) => session.subscriptions.size),
    groups: await groups(smpClients),
    smpClients: smpClients.length,
    smpQueued: queued(smpClients),
    clientNotifiers: sum(ntfClients, (session) => session.notifiers.size),
    ntfQueued: queued(ntfClients),
    subscriptions: recipients,
    pushedClients: smpClients.filter(({ subscriptions: { pushed } }) => pushed > 0).length,
    recipientClients: recipientClients.length,
    notifiers,
    ntfClients: idsOf(ntfClients),
    notifierClients: idsOf(notifierClients),
  }
}

/** The lines of `server-info` over all processes; what is counted over all connections is for administrators. */
export function serverInfoLines(all: readonly ServerInfo[], role: Role): string[] {
  const total = (count: (info: ServerInfo) => number): number => all.reduce((amount, info) => amount + count(info), 0)
  const tuple = (parts: (info: ServerInfo) => Queued): string =>
    showTuple(...([0, 1, 2] as const).map((at) => total((info) => parts(info)[at])))
  const [idle, pending, polling] = ([0, 1, 2] as const).map((at) => total(({ groups }) => groups[at]))
  const ids = (of: (info: ServerInfo) => readonly number[]): string => `[${all.flatMap(of).join(',')}]`
  const ntfClients = total((info) => info.ntfClients.length)
  const ofClients = [
    `Client queues (rcvQ, sndQ, msgQ): ${tuple((info) => info.queued)}`,
    `SMP subscriptions (via clients): ${total((info) => info.clientSubscriptions)}`,
    `SMP subscriptions (by group: NoSub, SubPending, SubThread, ProhibitSub): ${showTuple(idle ?? 0, pending ?? 0, 0, polling ?? 0)}`,
    `SMP subscribed clients (via clients): ${total((info) => info.smpClients)}`,
    `SMP subscribed clients queues (via clients, rcvQ, sndQ, msgQ): ${tuple((info) => info.smpQueued)}`,
    `Ntf subscriptions (via clients): ${total((info) => info.clientNotifiers)}`,
    `Ntf subscribed clients (via clients): ${ntfClients}`,
    `Ntf subscribed clients queues (via clients, rcvQ, sndQ, msgQ): ${tuple((info) => info.ntfQueued)}`,
  ]
  return [
    `Threads: ${total((info) => info.threads)}`,
    `Clients: ${total((info) => info.clients)}`,
    ...(role === 'admin' ? ofClients : []),
    `SMP subscriptions: ${total((info) => info.subscriptions)}`,
    `SMP subscribed clients: ${total((info) => info.pushedClients)}`,
    `SMP subscribed clients count 2: ${total((info) => info.recipientClients)}`,
    `Ntf subscriptions: ${total((info) => info.notifiers)}`,
    `Ntf subscribed clients: ${ntfClients} ${ids((info) => info.ntfClients)}`,
    `Ntf subscribed clients count 2: ${total((info) => info.notifierClients.length)} fromList ${ids((info) => info.notifierClients)}`,
  ]
}

/** What waits in memory for connections: received blocks, replies and events to be sent, and what is deferred. */
function queued(sessions: Iterable<Session>): Queued {
  let [received, sending, deferred] = [0, 0, 0]
  for (const session of sessions) {
    const { queued, deferred: waiting } = session
    received += queued.received
    sending += queued.sending
    deferred += waiting.subscriptions.size + waiting.notifiers.size
  }
  return [received, sending, deferred]
}

async function groups(sessions: readonly Session[]): Promise<ServerInfo['groups']> {
  let [idle, pending, polling] = [0, 0, 0]
  await inSlices(subscriptionsOf(sessions), (subscription) => {
    if (subscription.mode === 'get') polling++
    else if (subscription.pending) pending++
    else idle++
  })
  return [idle, pending, polling]
}

function sum(sessions: readonly Session[], count: (session: Session) => number): number {
  return sessions.reduce((total, session) => total + count(session), 0)
}
