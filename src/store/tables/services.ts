import type { ServiceId } from '../../protocol/ids.ts'
import type { ServiceRec } from '../store.ts'
import type { Counts } from './counts.ts'
import type { Table } from './table.ts'
import type { Tables } from './tables.ts'

/** The services that queues or notifiers are associated with, by id and by certificate. */
export class Services {
  readonly #services: Table<ServiceRec>
  readonly #byCertHash: Table<ServiceId>
  readonly #counts: Counts

  constructor({ services, servicesByCertHash }: Tables, counts: Counts) {
    this.#services = services
    this.#byCertHash = servicesByCertHash
    this.#counts = counts
  }

  get(serviceId: ServiceId): ServiceRec | undefined {
    return this.#services.get(serviceId)
  }

  getByCertHash(certHash: Buffer): ServiceRec | undefined {
    const serviceId = this.#byCertHash.get(certHash.toString('latin1'))
    return serviceId === undefined ? undefined : this.#services.get(serviceId)
  }

  *all(): Iterable<ServiceRec> {
    for (const serviceId of this.#services.keys()) {
      const service = this.#services.peek(serviceId)
      if (service !== undefined) yield service
    }
  }

  remove(serviceId: ServiceId): void {
    const service = this.#services.get(serviceId)
    if (service === undefined) return
    this.#services.remove(serviceId)
    this.#byCertHash.remove(service.certHash.toString('latin1'))
    this.#count(service, -1)
  }

  add(service: ServiceRec): 'ok' | 'taken' {
    const certHash = service.certHash.toString('latin1')
    if (this.#services.has(service.serviceId) || this.#byCertHash.has(certHash)) return 'taken'
    this.#services.insert(service.serviceId, service)
    this.#byCertHash.insert(certHash, service.serviceId)
    this.#count(service, 1)
    return 'ok'
  }

  #count({ role }: ServiceRec, change: 1 | -1): void {
    if (role === 'M') this.#counts.add('rcvServices', change)
    else if (role === 'N') this.#counts.add('ntfServices', change)
  }
}
