import { cpSync } from 'node:fs'
import type { RelayAddress } from '../client/connection.ts'
import { freePort, Installation } from '../interop/cli-process.ts'

/** Has a relay keep everything in a PostgreSQL database. */
export const usePostgres = (relay: Installation, connection: string): void => {
  relay.set('STORE_LOG', 'store_queues', 'database')
  relay.set('STORE_LOG', 'store_messages', 'database')
  relay.set('STORE_LOG', 'db_connection', connection)
}

/** Another installation of the same relay: its identity, its INI file, and a port of its own. */
export const copyOf = async (relay: Installation, address: RelayAddress): Promise<[Installation, RelayAddress]> => {
  const copy = new Installation()
  cpSync(relay.config, copy.config, { recursive: true })
  const port = await freePort()
  copy.set('TRANSPORT', 'port', String(port))
  return [copy, { ...address, port }]
}
