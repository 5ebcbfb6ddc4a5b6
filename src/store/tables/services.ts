import type { ServiceId } from '../../protocol/ids.ts'
import type { ServiceRec } from '../store.ts'
import type { Counts } from './counts.ts'
import type { Table } from './table.ts'
import type { Tables } from './tables.ts'

/** The services that have presented themselves, by id and by certificate. */
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

  add(service: ServiceRec): 'ok' | 'taken' {
    const certHash = service.certHash.toString('latin1')
    if (this.#services.has(service.serviceId) || this.#byCertHash.has(certHash)) return 'taken'
    this.#services.insert(service.serviceId, service)
    this.#byCertHash.insert(certHash, service.serviceId)
    if (service.role === 'M') this.#counts.add('rcvServices', 1)
    else if (service.role === 'N') this.#counts.add('ntfServices', 1)
    return 'ok'
  }
}
