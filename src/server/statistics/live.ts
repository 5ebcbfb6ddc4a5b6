import type { ServiceParty } from '../../store/store.ts'
import type { AckPeriods } from './ack-times.ts'

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
