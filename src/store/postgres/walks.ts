import type { QueryResultRow } from 'pg'
import { idFromBytes, type NotifierId, type RcvId, type ServiceId } from '../../protocol/ids.ts'
import type { ServiceParty, ServiceRec, StoreCounts } from '../store.ts'
import type { Parameter } from './connection.ts'
import { decodeMessageRow, MESSAGE_COLUMNS, type MessageRow } from './message-row.ts'
import { decodeQueueRow, QUEUE_COLUMNS, type QueueRow } from './queue-row.ts'
import type { SchemaNames } from './schema/names.ts'
import type { StoreWalks, WalkedMessage, WalkedNotification, WalkedQueue } from '../walks.ts'
import { decodeServiceRow, SERVICE_COLUMNS, type ServiceRow } from './service-row.ts'

/** Rows that are read at once, and the bytes that messages among them may have together. */
const PAGE = 1000
const MESSAGE_PAGE = 100

const START: Buffer = Buffer.alloc(0)

/** A connection, or any of several. */
export interface Queryable {
  run<R extends QueryResultRow>(text: string, parameters?: readonly Parameter[]): Promise<R[]>
}

/** Goes through the tables page by page, in the order of ids; what changes meanwhile may or may not be seen. */
export class Walks implements StoreWalks {
  readonly #database: Queryable
  readonly #names: SchemaNames
  readonly #onUnreadable: () => void

  constructor(database: Queryable, names: SchemaNames, onUnreadable: () => void) {
    this.#database = database
    this.#names = names
    this.#onUnreadable = onUnreadable
  }

  async *queues(): AsyncGenerator<WalkedQueue[], void, undefined> {
    const columns = Object.keys(QUEUE_COLUMNS).join(', ')
    const text = `SELECT ${columns}, fixed_data, user_data FROM ${this.#names.tables}.msg_queues
      WHERE deleted_at IS NULL AND recipient_id > $1 ORDER BY recipient_id LIMIT ${PAGE}`
    type Row = QueueRow & { readonly fixed_data: Buffer | null; readonly user_data: Buffer | null }
    for await (const rows of this.#pages<Row>(text, (row) => row.recipient_id)) {
      yield this.#readable(rows, (row) => {
        const queue = decodeQueueRow(row)
        const { fixed_data: fixedData, user_data: userData } = row
        const hasLink = queue?.linkId !== undefined && fixedData !== null && userData !== null
        return queue && { queue, ...(hasLink && { link: { fixedData, userData } }) }
      })
    }
  }

  /** The messages of queues that are not deleted, head first. */
  async *messages(): AsyncGenerator<WalkedMessage[], void, undefined> {
    const { tables } = this.#names
    const text = `SELECT recipient_id, ${MESSAGE_COLUMNS.join(', ')} FROM ${tables}.messages m
      WHERE (recipient_id, message_id) > ($1, $2) AND EXISTS (
        SELECT 1 FROM ${tables}.msg_queues q WHERE q.recipient_id = m.recipient_id AND q.deleted_at IS NULL
      ) ORDER BY recipient_id, message_id LIMIT ${MESSAGE_PAGE}`
    let after: readonly [Buffer, number] = [START, 0]
    for (;;) {
      const rows = await this.#database.run<MessageRow & { recipient_id: Buffer }>(text, after)
      const last = rows.at(-1)
      if (last === undefined) return
      yield rows.map((row) => ({ rcvId: idFromBytes<RcvId>(row.recipient_id), message: decodeMessageRow(row) }))
      after = [last.recipient_id, last.message_id]
    }
  }

  /** The pending notifications of notifiers that there are, oldest first for each. */
  async *notifications(): AsyncGenerator<WalkedNotification[], void, undefined> {
    const { tables, relays } = this.#names
    interface Row {
      readonly notification_id: number
      readonly notifier_id: Buffer
      readonly msg_id: Buffer
      readonly msg_ts: number
      readonly nonce: Buffer
      readonly enc_meta: Buffer
    }
    const text = `SELECT n.* FROM ${relays}.notifications n WHERE (notifier_id, notification_id) > ($1, $2) AND EXISTS (
        SELECT 1 FROM ${tables}.msg_queues q WHERE q.notifier_id = n.notifier_id AND q.deleted_at IS NULL
      ) ORDER BY notifier_id, notification_id LIMIT ${PAGE}`
    let after: readonly [Buffer, number] = [START, 0]
    for (;;) {
      const rows = await this.#database.run<Row>(text, after)
      const last = rows.at(-1)
      if (last === undefined) return
      yield rows.map(({ notifier_id, msg_id, msg_ts: timestamp, nonce, enc_meta: encMeta }) => ({
        notifierId: idFromBytes<NotifierId>(notifier_id),
        notification: { msgId: idFromBytes(msg_id), timestamp, nonce, encMeta },
      }))
      after = [last.notifier_id, last.notification_id]
    }
  }

  async *services(): AsyncGenerator<ServiceRec[], void, undefined> {
    const text = `SELECT ${SERVICE_COLUMNS.join(', ')} FROM ${this.#names.tables}.services
      WHERE service_id > $1 ORDER BY service_id LIMIT ${PAGE}`
    for await (const rows of this.#pages<ServiceRow>(text, (row) => row.service_id)) {
      yield this.#readable(rows, decodeServiceRow)
    }
  }

  /** Recipient ids ('R') or notifier ids ('N') that are associated with a service. */
  async *serviceQueues(
    serviceId: ServiceId,
    party: ServiceParty,
  ): AsyncGenerator<(RcvId | NotifierId)[], void, undefined> {
    const [id, service] = party === 'R' ? ['recipient_id', 'rcv_service_id'] : ['notifier_id', 'ntf_service_id']
    const text = `SELECT ${id} AS id FROM ${this.#names.tables}.msg_queues
      WHERE deleted_at IS NULL AND ${service} = $2 AND ${id} > $1 ORDER BY ${id} LIMIT ${PAGE}`
    for await (const rows of this.#pages<{ id: Buffer }>(text, (row) => row.id, [Buffer.from(serviceId, 'latin1')])) {
      yield rows.map((row) => idFromBytes<RcvId | NotifierId>(row.id))
    }
  }

  async counts(): Promise<StoreCounts> {
    const { tables, relays } = this.#names
    const [counts] = await this.#database.run<{ [K in keyof StoreCounts as Lowercase<K>]: number }>(
      `SELECT * FROM (
        SELECT count(*) AS queues, count(notifier_id) AS notifiers, count(rcv_service_id) AS rcvservicequeues,
          count(ntf_service_id) FILTER (WHERE notifier_id IS NOT NULL) AS ntfservicequeues
          FROM ${tables}.msg_queues WHERE deleted_at IS NULL
      ) q, (SELECT count(*) AS messages FROM ${tables}.messages) m,
      (SELECT count(*) AS notifications FROM ${relays}.notifications) n, (
        SELECT count(*) FILTER (WHERE service_role = 'M') AS rcvservices,
          count(*) FILTER (WHERE service_role = 'N') AS ntfservices FROM ${tables}.services
      ) s`,
    )
    if (counts === undefined) throw new Error('counting returned nothing')
    return {
      queues: counts.queues,
      messages: counts.messages,
      notifications: counts.notifications,
      notifiers: counts.notifiers,
      rcvServices: counts.rcvservices,
      ntfServices: counts.ntfservices,
      rcvServiceQueues: counts.rcvservicequeues,
      ntfServiceQueues: counts.ntfservicequeues,
    }
  }

  async *#pages<R extends object>(
    text: string,
    idOf: (row: R) => Buffer,
    parameters: readonly Buffer[] = [],
  ): AsyncGenerator<R[], void, undefined> {
    let after = START
    for (;;) {
      const rows = await this.#database.run<R>(text, [after, ...parameters])
      const last = rows.at(-1)
      if (last === undefined) return
      yield rows
      after = idOf(last)
    }
  }

  #readable<R, T>(rows: readonly R[], decode: (row: R) => T | undefined): T[] {
    const values: T[] = []
    for (const row of rows) {
      const value = decode(row)
      if (value === undefined) this.#onUnreadable()
      else values.push(value)
    }
    return values
  }
}
