import { MapTable } from './memory/map-table.ts'
import type { StoreOptions } from './store.ts'
import type { EmbeddedStore } from './work.ts'
import { TableStore } from './tables/table-store.ts'
import { openTables } from './tables/tables.ts'

/** A store that keeps everything in memory and nothing on disk: for tests, and for relays that want to forget. */
export function openMemoryStore(options: StoreOptions): EmbeddedStore {
  const tables = openTables((_name, _codec, { groupOf }) => new MapTable(groupOf))
  return new TableStore(tables, NOTHING_TO_COMMIT, options)
}

/** Memory promises nothing, so nothing has to be waited for. */
const NOTHING_TO_COMMIT = {
  flushed: () => Promise.resolve(),
  close: () => Promise.resolve(),
}
