import type { QueryResultRow } from 'pg'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ExpiryResult } from '../store.ts'
import type { Connection } from './connection.ts'
import type { SchemaNames } from './schema/names.ts'
import { Walks } from './walks.ts'
import { idArray } from './values.ts'
import { idFromBytes, type RcvId, type ServiceId } from '../../protocol/ids.ts'

/** Queues or notifications of one transaction. */
const BATCH = 500
/** Every message id is smaller. */
const NO_MESSAGE = '9223372036854775807'

/**
 * Removes messages older than `before` (seconds) from the head of every queue, as upstream does, a batch of queues at a
 * time. Queues that a unit of work holds at that moment are left for the next time.
 */
export async function expireQueues(
  connection: Connection,
  names: SchemaNames,
  before: number,
  onUnreadable: () => void,
): Promise<ExpiryResult> {
  const { tables } = names
  const lock = `SELECT recipient_id FROM ${tables}.msg_queues
    WHERE deleted_at IS NULL AND msg_queue_expire AND recipient_id > $1
    ORDER BY recipient_id LIMIT ${BATCH} FOR NO KEY UPDATE SKIP LOCKED`
  // A queue with a marker alone, or with nothing, need not be looked at again.
  const expire = `WITH expired AS (
      DELETE FROM ${tables}.messages m USING unnest($1::bytea[]) AS q (id)
        WHERE m.recipient_id = q.id AND NOT m.msg_quota AND m.msg_ts < $2::int8 AND m.message_id < COALESCE((
          SELECT min(k.message_id) FROM ${tables}.messages k
            WHERE k.recipient_id = q.id AND (k.msg_quota OR k.msg_ts >= $2::int8)
        ), ${NO_MESSAGE})
        RETURNING m.recipient_id
    ), changed AS (
      SELECT q.recipient_id, count(e.recipient_id) AS gone FROM ${tables}.msg_queues q
        LEFT JOIN expired e ON e.recipient_id = q.recipient_id
        WHERE q.recipient_id = ANY ($1::bytea[]) GROUP BY q.recipient_id
    )
    UPDATE ${tables}.msg_queues q SET msg_queue_size = GREATEST(msg_queue_size - gone, 0),
        msg_can_write = msg_can_write OR msg_queue_size <= gone,
        msg_queue_expire = msg_queue_size - gone > 1 OR (msg_queue_size - gone = 1 AND msg_can_write)
      FROM changed WHERE q.recipient_id = changed.recipient_id AND (
        gone > 0 OR msg_queue_size <= 0 OR (msg_queue_size = 1 AND NOT msg_can_write)
      )
      RETURNING gone`
  let expired = 0
  let after: Buffer | undefined = Buffer.alloc(0)
  while (after !== undefined) {
    const start: Buffer = after
    after = await transaction(connection, names, async () => {
      const locked = await connection.run<{ recipient_id: Buffer }>(lock, [start])
      const ids = locked.map((row) => idFromBytes<RcvId>(row.recipient_id))
      if (ids.length > 0) {
        for (const { gone } of await connection.run<{ gone: number }>(expire, [idArray(ids), before])) expired += gone
      }
      return locked.at(-1)?.recipient_id
    })
    await nextTurn()
  }
  const { messages, queues } = await new Walks(connection, names, onUnreadable).counts()
  return { expired, stored: messages, queues }
}

/** Removes the rows of queues that were deleted before a day (seconds), so that their ids may be given out again. */
export async function purgeDeletedQueues(connection: Connection, names: SchemaNames, before: number): Promise<void> {
  const { tables } = names
  await inBatches(connection, names, () =>
    connection.run(
      `DELETE FROM ${tables}.msg_queues WHERE recipient_id IN (
        SELECT recipient_id FROM ${tables}.msg_queues WHERE deleted_at < $1::int8 LIMIT ${BATCH} FOR UPDATE SKIP LOCKED
      ) RETURNING 1`,
      [before],
    ),
  )
}

/** Removes pending notifications older than `before` (seconds), and those whose notifier is gone; the number removed. */
export function expireNotifications(connection: Connection, names: SchemaNames, before: number): Promise<number> {
  const { tables, relays } = names
  return inBatches(connection, names, () =>
    connection.run(
      `DELETE FROM ${relays}.notifications WHERE notification_id IN (
        SELECT notification_id FROM ${relays}.notifications n WHERE msg_ts < $1::int8 OR NOT EXISTS (
          SELECT 1 FROM ${tables}.msg_queues q WHERE q.notifier_id = n.notifier_id AND q.deleted_at IS NULL
        ) LIMIT ${BATCH} FOR UPDATE SKIP LOCKED
      ) RETURNING 1`,
      [before],
    ),
  )
}

/** Removes services that no queue and no notifier is associated with. */
export async function removeUnusedServices(connection: Connection, names: SchemaNames): Promise<void> {
  const { tables } = names
  const isUsed = `EXISTS (SELECT 1 FROM ${tables}.msg_queues q WHERE q.rcv_service_id = s.service_id)
    OR EXISTS (SELECT 1 FROM ${tables}.msg_queues q WHERE q.ntf_service_id = s.service_id)`
  await transaction(connection, names, async () => {
    // Nobody associates a queue with a service while its row is locked.
    const unused = await connection.run<{ service_id: Buffer }>(
      `SELECT service_id FROM ${tables}.services s WHERE NOT (${isUsed}) ORDER BY service_id FOR UPDATE SKIP LOCKED`,
    )
    const ids = idArray(unused.map((row) => idFromBytes<ServiceId>(row.service_id)))
    await connection.run(`DELETE FROM ${tables}.services s WHERE service_id = ANY ($1::bytea[]) AND NOT (${isUsed})`, [
      ids,
    ])
  })
}

/** Relays that have been silent for longer than this do not run any more, or cannot reach the database. */
const SILENCE = '5 minutes'

/** Removes what relays have left that do not run any more. One that comes back claims again what it pushes for. */
export async function forgetRelays(connection: Connection, { relays }: SchemaNames): Promise<void> {
  await connection.run(`DELETE FROM ${relays}.relays WHERE seen_at < now() - interval '${SILENCE}'`)
  await connection.run(
    `DELETE FROM ${relays}.owners o WHERE NOT EXISTS (
      SELECT 1 FROM ${relays}.relays r WHERE r.relay_id = o.relay_id
    )`,
  )
}

/** Repeats a statement, each time in a transaction of its own, until it finds no more rows; the number of rows. */
async function inBatches(
  connection: Connection,
  names: SchemaNames,
  step: () => Promise<QueryResultRow[]>,
): Promise<number> {
  let total = 0
  for (;;) {
    const { length } = await transaction(connection, names, step)
    total += length
    if (length < BATCH) return total
    await nextTurn()
  }
}

/** @throws DatabaseError */
export async function transaction<T>(
  connection: Connection,
  { tables }: SchemaNames,
  step: () => Promise<T>,
): Promise<T> {
  await connection.run(`BEGIN; SET LOCAL search_path TO ${tables}, pg_temp`)
  try {
    const result = await step()
    await connection.commit()
    return result
  } catch (error) {
    if (!connection.lost) await connection.run('ROLLBACK').catch(() => undefined)
    throw error
  }
}
