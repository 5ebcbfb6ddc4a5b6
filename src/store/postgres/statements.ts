import type { Statement } from './connection.ts'
import { MESSAGE_COLUMNS } from './message-row.ts'
import { QUEUE_COLUMNS } from './queue-row.ts'
import type { SchemaNames } from './schema/names.ts'
import { SERVICE_COLUMNS } from './service-row.ts'

type Texts = ReturnType<typeof textsFor>

/** Gives the statement of a name. */
export type Statements = (name: keyof Texts) => Statement

/**
 * The statements of units of work against one schema. All names are qualified, because a pooler may mix up sessions.
 *
 * @param countsServices the schema keeps the number of queues of each service (after migration 6)
 */
export function statementsFor(names: SchemaNames, countsServices: boolean): Statements {
  const texts = textsFor(names, countsServices)
  return (name) => ({ name, text: texts[name] })
}

function textsFor({ tables, relays }: SchemaNames, countsServices: boolean) {
  const isNamed = `deleted_at IS NULL AND (recipient_id = ANY ($1::bytea[]) OR sender_id = ANY ($2::bytea[])
    OR notifier_id = ANY ($3::bytea[]) OR link_id = ANY ($4::bytea[]))`
  const ownerOf = (id: string): string => `(SELECT relay_id FROM ${relays}.owners WHERE owners.id = ${id})`
  const queueColumns = Object.keys(QUEUE_COLUMNS)
  const queueArrays = Object.values(QUEUE_COLUMNS).map((type, index) => `$${index + 1}::${type}[]`)
  const further = queueArrays.length
  const prefixed = (prefix: string, columns: readonly string[]): string =>
    columns.map((column) => `${prefix}.${column}`).join(', ')
  const counted = countsServices ? 's.queue_count, s.queue_ids_hash' : 'counted.queue_count, counted.queue_ids_hash'
  const counting = countsServices
    ? ''
    : `LEFT JOIN LATERAL (
        SELECT count(*) AS queue_count, bit_xor(('x' || md5(id))::bit(128))::text AS queue_ids_hash FROM (
          SELECT recipient_id AS id FROM ${tables}.msg_queues
            WHERE s.service_role = 'M' AND rcv_service_id = s.service_id AND deleted_at IS NULL
          UNION ALL SELECT notifier_id FROM ${tables}.msg_queues
            WHERE s.service_role = 'N' AND ntf_service_id = s.service_id AND deleted_at IS NULL AND notifier_id IS NOT NULL
        ) ids
      ) counted ON true`

  return {
    lockQueues: `SELECT count(*) FROM (
      SELECT 1 FROM ${tables}.msg_queues WHERE ${isNamed} ORDER BY recipient_id FOR NO KEY UPDATE
    ) locked`,
    lockServices: `SELECT count(*) FROM (
      SELECT 1 FROM ${tables}.services WHERE service_id = ANY ($1::bytea[]) OR service_cert_hash = ANY ($2::bytea[])
        ORDER BY service_id FOR NO KEY UPDATE
    ) locked`,
    lockNewIds: `SELECT pg_advisory_xact_lock(key)::text FROM unnest($1::int8[]) AS key`,
    readQueues: `SELECT ${queueColumns.join(', ')}, msg_can_write, msg_queue_size, msg_queue_expire,
      ${ownerOf('recipient_id')} AS owner, ${ownerOf('rcv_service_id')} AS rcv_service_owner,
      ${ownerOf('notifier_id')} AS notifier_owner, ${ownerOf('ntf_service_id')} AS ntf_service_owner
      FROM ${tables}.msg_queues WHERE ${isNamed}`,
    readHeads: `SELECT wanted.recipient_id, ${prefixed('m', MESSAGE_COLUMNS)}
      FROM unnest($1::bytea[], $2::int4[]) AS wanted (recipient_id, count) CROSS JOIN LATERAL (
        SELECT ${MESSAGE_COLUMNS.join(', ')} FROM ${tables}.messages
          WHERE recipient_id = wanted.recipient_id ORDER BY message_id LIMIT wanted.count
      ) m`,
    readExpirable: `SELECT q.recipient_id, m.message_id, m.msg_ts
      FROM ${tables}.msg_queues q CROSS JOIN LATERAL (
        SELECT message_id, msg_ts FROM ${tables}.messages
          WHERE recipient_id = q.recipient_id AND NOT msg_quota AND msg_ts < $3::int8
            AND message_id < COALESCE((
              SELECT min(message_id) FROM ${tables}.messages
                WHERE recipient_id = q.recipient_id AND (msg_quota OR msg_ts >= $3::int8)
            ), 9223372036854775807)
          ORDER BY message_id
      ) m
      WHERE q.deleted_at IS NULL AND (q.recipient_id = ANY ($1::bytea[]) OR q.sender_id = ANY ($2::bytea[]))
      ORDER BY m.message_id`,
    readLinks: `SELECT link_id, fixed_data, user_data FROM ${tables}.msg_queues
      WHERE deleted_at IS NULL AND fixed_data IS NOT NULL AND user_data IS NOT NULL AND link_id IS NOT NULL
        AND (recipient_id = ANY ($1::bytea[]) OR link_id = ANY ($2::bytea[]))`,
    readNotifications: `SELECT n.* FROM ${tables}.msg_queues q CROSS JOIN LATERAL (
        SELECT notification_id, notifier_id, msg_id, msg_ts, nonce, enc_meta FROM ${relays}.notifications
          WHERE notifier_id = q.notifier_id ORDER BY notification_id LIMIT $3::int4
      ) n
      WHERE q.deleted_at IS NULL AND (q.sender_id = ANY ($1::bytea[]) OR q.notifier_id = ANY ($2::bytea[]))`,
    readTaken: `SELECT recipient_id, sender_id, notifier_id, link_id FROM ${tables}.msg_queues
      WHERE recipient_id = ANY ($1::bytea[]) OR sender_id = ANY ($1::bytea[])
        OR notifier_id = ANY ($1::bytea[]) OR link_id = ANY ($1::bytea[])`,
    readServices: `SELECT ${prefixed('s', SERVICE_COLUMNS)}, ${counted}, ${ownerOf('s.service_id')} AS owner
      FROM ${tables}.services s ${counting}
      WHERE s.service_id = ANY ($1::bytea[]) OR s.service_cert_hash = ANY ($2::bytea[])`,

    insertServices: `INSERT INTO ${tables}.services (${SERVICE_COLUMNS.join(', ')})
      SELECT * FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::bytea[], $5::int8[])`,
    releaseLinks: `UPDATE ${tables}.msg_queues SET link_id = NULL WHERE recipient_id = ANY ($1::bytea[])`,
    releaseNotifiers: `UPDATE ${tables}.msg_queues SET notifier_id = NULL, ntf_service_id = NULL
      WHERE recipient_id = ANY ($1::bytea[])`,
    insertQueues: `INSERT INTO ${tables}.msg_queues (${queueColumns.join(', ')}, fixed_data, user_data,
        msg_can_write, msg_queue_size, msg_queue_expire)
      SELECT * FROM unnest(${queueArrays.join(', ')}, $${further + 1}::bytea[], $${further + 2}::bytea[],
        $${further + 3}::bool[], $${further + 4}::int8[], $${further + 5}::bool[])`,
    updateQueues: `UPDATE ${tables}.msg_queues q SET ${queueColumns
      .slice(1)
      .map((name) => `${name} = n.${name}`)
      .join(', ')}
      FROM unnest(${queueArrays.join(', ')}) AS n (${queueColumns.join(', ')})
      WHERE q.recipient_id = n.recipient_id`,
    updateLinkData: `UPDATE ${tables}.msg_queues q SET fixed_data = n.fixed_data, user_data = n.user_data
      FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS n (recipient_id, fixed_data, user_data)
      WHERE q.recipient_id = n.recipient_id`,
    updateCounters: `UPDATE ${tables}.msg_queues q SET msg_can_write = n.can_write, msg_queue_size = n.size,
        msg_queue_expire = n.expire
      FROM unnest($1::bytea[], $2::bool[], $3::int8[], $4::bool[]) AS n (recipient_id, can_write, size, expire)
      WHERE q.recipient_id = n.recipient_id`,
    // As upstream, a deleted queue keeps its row until it is purged, so that nobody gets its ids.
    deleteQueues: `UPDATE ${tables}.msg_queues q SET deleted_at = $3::int8, link_id = n.link_id, fixed_data = NULL,
        user_data = NULL, notifier_id = NULL, notifier_key = NULL, rcv_ntf_dh_secret = NULL, ntf_service_id = NULL,
        msg_can_write = TRUE, msg_queue_size = 0, msg_queue_expire = FALSE
      FROM unnest($1::bytea[], $2::bytea[]) AS n (recipient_id, link_id) WHERE q.recipient_id = n.recipient_id`,
    deleteQueueMessages: `DELETE FROM ${tables}.messages WHERE recipient_id = ANY ($1::bytea[])`,
    insertMessages: `INSERT INTO ${tables}.messages (recipient_id, msg_id, msg_ts, msg_quota, msg_ntf_flag, msg_body)
      SELECT recipient_id, msg_id, msg_ts, msg_quota, msg_ntf_flag, msg_body
      FROM unnest($1::bytea[], $2::bytea[], $3::int8[], $4::bool[], $5::bool[], $6::bytea[]) WITH ORDINALITY
        AS n (recipient_id, msg_id, msg_ts, msg_quota, msg_ntf_flag, msg_body, position)
      ORDER BY position`,
    deleteMessages: `DELETE FROM ${tables}.messages WHERE message_id = ANY ($1::int8[])`,
    insertNotifications: `INSERT INTO ${relays}.notifications (notifier_id, msg_id, msg_ts, nonce, enc_meta)
      SELECT notifier_id, msg_id, msg_ts, nonce, enc_meta
      FROM unnest($1::bytea[], $2::bytea[], $3::int8[], $4::bytea[], $5::bytea[]) WITH ORDINALITY
        AS n (notifier_id, msg_id, msg_ts, nonce, enc_meta, position)
      ORDER BY position`,
    deleteNotifications: `DELETE FROM ${relays}.notifications WHERE notification_id = ANY ($1::int8[])`,
    deleteAllNotifications: `DELETE FROM ${relays}.notifications WHERE notifier_id = ANY ($1::bytea[])`,
    claim: `INSERT INTO ${relays}.owners (id, relay_id) SELECT id, $2::int4 FROM unnest($1::bytea[]) AS id
      ON CONFLICT (id) DO UPDATE SET relay_id = EXCLUDED.relay_id`,
  }
}
