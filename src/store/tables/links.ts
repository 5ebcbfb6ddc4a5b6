import type { LinkId, RcvId } from '../../protocol/ids.ts'
import type { LinkData, QueueRec } from '../store.ts'
import type { Table } from './table.ts'

/** Which queue each link belongs to, and its data. */
export class Links {
  /** The recipient id of each link's queue; to be read from only. */
  readonly owners: Table<RcvId>
  readonly #data: Table<LinkData>

  constructor(owners: Table<RcvId>, data: Table<LinkData>) {
    this.owners = owners
    this.#data = data
  }

  data(linkId: LinkId): LinkData | undefined {
    return this.#data.get(linkId)
  }

  add(linkId: LinkId, rcvId: RcvId, data: LinkData): void {
    this.owners.insert(linkId, rcvId)
    this.#data.insert(linkId, data)
  }

  replaceData(linkId: LinkId, data: LinkData): void {
    this.#data.put(linkId, data)
  }

  drop({ linkId }: QueueRec): void {
    if (linkId === undefined) return
    this.owners.remove(linkId)
    this.#data.remove(linkId)
  }
}
