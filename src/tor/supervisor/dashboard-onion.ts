import type { Logger } from '../../config/log.ts'
import type { TorControl } from '../control/tor-control.ts'
import { readClients } from '../onion/authorised-clients.ts'
import { readOnionKey } from '../onion/key.ts'
import { readServiceType, requireServiceType, writeOnionRecord } from '../onion/record.ts'
import { removeService } from '../onion/service.ts'
import type { ServiceType } from '../onion/service-config.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'

/*
 * A second onion service, with the dashboard, for the clients of a file only. It belongs to the control connection, so it
 * ends with the relay, whoever runs tor.
 */

export interface DashboardOnionConfig {
  readonly keyFile: string
  readonly clientsFile: string
  /** Where the dashboard listens, `127.0.0.1:9100`. */
  readonly target: string
}

export class DashboardOnion {
  readonly #config: DashboardOnionConfig
  readonly #type: ServiceType
  readonly #log: Logger
  /** The service that this tor has, and for whom. */
  #served: { readonly key: OnionKey; readonly clients: string } | undefined
  #warned = ''

  constructor(config: DashboardOnionConfig, type: ServiceType, log: Logger) {
    this.#config = config
    this.#type = type
    this.#log = log
  }

  /** Gives tor the service as the files have it now. Never rejects: the service of the relay does not depend on this one. */
  async sync(control: TorControl): Promise<void> {
    try {
      await this.#sync(control)
      this.#warned = ''
    } catch (error) {
      const text = String(error)
      if (text !== this.#warned) this.#log.warn('onion service: the dashboard has none', { error })
      this.#warned = text
    }
  }

  async #sync(control: TorControl): Promise<void> {
    const { keyFile, clientsFile, target } = this.#config
    const clients = (await readClients(clientsFile)).map(({ publicKey }) => publicKey)
    const key = clients.length === 0 ? undefined : await readOnionKey(keyFile)
    const wanted = key && { key, clients: clients.join() }
    const served = this.#served
    if (wanted?.clients === served?.clients && wanted?.key.serviceId === served?.key.serviceId) return
    if (served) {
      await removeService(control, served.key)
      // Whoever is connected may not be a client any more.
      await control.closeClientCircuits(served.key.serviceId)
    }
    this.#served = undefined
    if (!wanted) return
    const recorded = await readServiceType(keyFile, wanted.key)
    requireServiceType(recorded, this.#type, keyFile)
    if (recorded === undefined) await writeOnionRecord(keyFile, wanted.key, this.#type)
    const flags = this.#type === 'single-hop' ? (['NonAnonymous', 'V3Auth'] as const) : (['V3Auth'] as const)
    await control.addOnion({ key: wanted.key, ports: [{ virtualPort: 80, target }], flags, clients })
    this.#served = wanted
    this.#log.info(
      `onion service: the dashboard is open to ${clients.length === 1 ? 'one client' : `${clients.length} clients`}`,
    )
  }
}
