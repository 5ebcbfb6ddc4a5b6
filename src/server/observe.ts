import type { ServiceParty } from '../store/store.ts'
import { inSlices } from '../store/tables/slices.ts'
import type { Listener } from '../transport/listener.ts'
import type { Core } from './core.ts'
import { threadsOf } from './process-facts.ts'
import type { Session } from './session.ts'
import { countAck, noAcks } from './statistics/ack-times.ts'
import type { Live, ServiceActivity } from './statistics/live.ts'
import type { Subscriber, Subscription } from './subscriber.ts'

/** The relay that is observed. */
export interface Observed {
  readonly core: Core
  readonly sessions: ReadonlySet<Session>
  readonly listeners: readonly Listener[]
}

/** Visits every subscription once, in slices. */
export async function readLive({ core, sessions, listeners }: Observed): Promise<Live> {
  const { recipients, notifiers } = core.subscriptions.counts()
  const now = {
    sockets: listeners.map(({ port, counts: { accepted, closed, active } }) => {
      return { port, accepted, closed, active, leaked: accepted - closed - active }
    }),
    clients: sessions.size,
    subscriptions: recipients,
    notifiers,
    notifierClients: [...sessions].filter((session) => session.notifiers.size > 0).length,
    services: {
      R: await serviceActivity(core, sessions, 'R'),
      N: await serviceActivity(core, sessions, 'N'),
    },
  }
  return { ...now, threads: (await threadsOf()).length, ...(await readSubscriptions(core, sessions)) }
}

async function serviceActivity(
  { engine, subscriptions }: Core,
  sessions: ReadonlySet<Session>,
  party: ServiceParty,
): Promise<ServiceActivity> {
  const services = [...sessions]
    .filter((session) => isReceiving(session, party, subscriptions))
    .flatMap(({ link }) => link.service?.serviceId ?? [])
  if (services.length === 0) return { connected: 0, queues: 0 }
  const queues = await engine.run(
    () => ({ services }),
    (store) => services.reduce((sum, serviceId) => sum + store.serviceSubscriptions(serviceId, party).count, 0),
  )
  return { connected: services.length, queues }
}

function isReceiving(session: Session, party: ServiceParty, subscriptions: Core['subscriptions']): boolean {
  const serviceId = session.link.service?.serviceId
  return serviceId !== undefined && subscriptions.service(party, serviceId) === session
}

async function readSubscriptions(
  core: Core,
  sessions: ReadonlySet<Session>,
): Promise<Pick<Live, 'subscribedClients' | 'deliveries'>> {
  const now = core.now()
  const waiting = noAcks()
  const subscribed = new Set<Subscriber>()
  const clients = new Set<Subscriber>()
  let count = 0
  let longest = 0
  await inSlices(subscriptionsOf(sessions), ({ session, mode, delivered }) => {
    if (mode === 'subscribed') subscribed.add(session)
    if (delivered === undefined) return
    const seconds = Math.max(0, (now - delivered.at) / 1000)
    clients.add(session)
    count++
    countAck(waiting, seconds)
    longest = Math.max(longest, seconds)
  })
  return { subscribedClients: subscribed.size, deliveries: { count, clients: clients.size, waiting, longest } }
}

export function* subscriptionsOf(sessions: Iterable<Session>): Iterable<Subscription> {
  for (const session of sessions) yield* session.subscriptions.values()
}
