import type { ServiceParty } from '../../store/store.ts'
import { inSlices } from '../../store/tables/slices.ts'
import { subscriptionsOf } from '../observe.ts'
import type { Session } from '../session.ts'
import type { Subscriptions } from '../subscriptions.ts'
import type { Role } from './roles.ts'
import { showTuple } from './show.ts'

export interface ServerInfo {
  readonly threads: number
  readonly sessions: ReadonlySet<Session>
  readonly subscriptions: Subscriptions
}

/** The lines of `server-info`; what is counted over all connections is for administrators. */
export async function serverInfoLines(info: ServerInfo, role: Role): Promise<string[]> {
  const { threads, sessions, subscriptions } = info
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
  return [
    `Threads: ${threads}`,
    `Clients: ${sessions.size}`,
    ...(role === 'admin' ? await clientLines(sessions, smpClients, ntfClients) : []),
    `SMP subscriptions: ${recipients}`,
    `SMP subscribed clients: ${smpClients.filter(({ subscriptions: { pushed } }) => pushed > 0).length}`,
    `SMP subscribed clients count 2: ${recipientClients.length}`,
    `Ntf subscriptions: ${notifiers}`,
    `Ntf subscribed clients: ${ntfClients.length} ${idsOf(ntfClients)}`,
    `Ntf subscribed clients count 2: ${notifierClients.length} fromList ${idsOf(notifierClients)}`,
  ]
}

async function clientLines(
  sessions: Iterable<Session>,
  smpClients: readonly Session[],
  ntfClients: readonly Session[],
): Promise<string[]> {
  return [
    `Client queues (rcvQ, sndQ, msgQ): ${queued(sessions)}`,
    `SMP subscriptions (via clients): ${sum(smpClients, ({ subscriptions }) => subscriptions.size)}`,
    `SMP subscriptions (by group: NoSub, SubPending, SubThread, ProhibitSub): ${await groups(smpClients)}`,
    `SMP subscribed clients (via clients): ${smpClients.length}`,
    `SMP subscribed clients queues (via clients, rcvQ, sndQ, msgQ): ${queued(smpClients)}`,
    `Ntf subscriptions (via clients): ${sum(ntfClients, (session) => session.notifiers.size)}`,
    `Ntf subscribed clients (via clients): ${ntfClients.length}`,
    `Ntf subscribed clients queues (via clients, rcvQ, sndQ, msgQ): ${queued(ntfClients)}`,
  ]
}

/** What waits in memory for connections: received blocks, replies and events to be sent, and what is deferred. */
function queued(sessions: Iterable<Session>): string {
  let [received, sending, deferred] = [0, 0, 0]
  for (const session of sessions) {
    const { queued, deferred: waiting } = session
    received += queued.received
    sending += queued.sending
    deferred += waiting.subscriptions.size + waiting.notifiers.size
  }
  return showTuple(received, sending, deferred)
}

/** Subscriptions to which nothing waits to be pushed, to which something does, and those that poll with GET. */
async function groups(sessions: readonly Session[]): Promise<string> {
  let [idle, pending, polling] = [0, 0, 0]
  await inSlices(subscriptionsOf(sessions), (subscription) => {
    if (subscription.mode === 'get') polling++
    else if (subscription.pending) pending++
    else idle++
  })
  return showTuple(idle, pending, 0, polling)
}

function sum(sessions: readonly Session[], count: (session: Session) => number): number {
  return sessions.reduce((total, session) => total + count(session), 0)
}

function idsOf(sessions: Iterable<Pick<Session, 'id'>>): string {
  return `[${[...sessions].map(({ id }) => id).join(',')}]`
}
