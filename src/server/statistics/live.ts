import type { ServiceParty } from '../../store/store.ts'
import { sumAcks, type AckPeriods } from './ack-times.ts'

/** Connections of one port. */
export interface PortSockets {
  readonly port: number
  readonly accepted: number
  readonly closed: number
  readonly active: number
  /** Accepted, and neither active nor closed: 0, unless this program has a bug. */
  readonly leaked: number
}

/** Who is connected and subscribed at this moment. */
export interface Live {
  readonly sockets: readonly PortSockets[]
  /** Of the operating system, for this process; 0 where it does not say. */
  readonly threads: number
  /** Connections after their handshake. */
  readonly clients: number
  readonly subscriptions: number
  readonly subscribedClients: number
  readonly notifiers: number
  readonly notifierClients: number
  readonly services: Readonly<Record<ServiceParty, ServiceActivity>>
  readonly deliveries: Deliveries
}

export interface ServiceActivity {
  readonly connected: number
  /** Queues or notifiers that are subscribed to by them. */
  readonly queues: number
}

/** Messages delivered and not acknowledged yet. */
export interface Deliveries {
  readonly count: number
  readonly clients: number
  readonly waiting: Readonly<AckPeriods>
  /** Seconds that the oldest has been waiting. */
  readonly longest: number
}

/** Of the processes of one relay together. */
export function sumLive(all: readonly Live[]): Live {
  const sum = (count: (live: Live) => number): number => all.reduce((total, live) => total + count(live), 0)
  const activity = (party: ServiceParty): ServiceActivity => ({
    connected: sum(({ services }) => services[party].connected),
    queues: sum(({ services }) => services[party].queues),
  })
  return {
    sockets: sumSockets(all.flatMap(({ sockets }) => sockets)),
    threads: sum(({ threads }) => threads),
    clients: sum(({ clients }) => clients),
    subscriptions: sum(({ subscriptions }) => subscriptions),
    subscribedClients: sum(({ subscribedClients }) => subscribedClients),
    notifiers: sum(({ notifiers }) => notifiers),
    notifierClients: sum(({ notifierClients }) => notifierClients),
    services: { R: activity('R'), N: activity('N') },
    deliveries: {
      count: sum(({ deliveries }) => deliveries.count),
      clients: sum(({ deliveries }) => deliveries.clients),
      waiting: sumAcks(all.map(({ deliveries }) => deliveries.waiting)),
      longest: Math.max(0, ...all.map(({ deliveries }) => deliveries.longest)),
    },
  }
}

function sumSockets(all: readonly PortSockets[]): PortSockets[] {
  const sums = new Map<number, PortSockets>()
  for (const { port, accepted, closed, active, leaked } of all) {
    const sum = sums.get(port) ?? { port, accepted: 0, closed: 0, active: 0, leaked: 0 }
    sums.set(port, {
      port,
      accepted: sum.accepted + accepted,
      closed: sum.closed + closed,
      active: sum.active + active,
      leaked: sum.leaked + leaked,
    })
  }
  return [...sums.values()]
}
