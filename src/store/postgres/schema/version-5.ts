/**
 * The tables and routines of upstream's schema after its migration `20250903_store_messages`, for a new database: names,
 * types, order of parameters and names of results are what upstream's programs rely on. This relay uses the tables alone;
 * the routines are there so that upstream can go on with the database.
 *
 * To be run with the schema as the first one of `search_path`.
 */
export const VERSION_5 = `
CREATE TABLE services (
  service_id BYTEA NOT NULL PRIMARY KEY,
  service_role TEXT NOT NULL,
  service_cert BYTEA NOT NULL,
  service_cert_hash BYTEA NOT NULL UNIQUE,
  created_at BIGINT NOT NULL
);
CREATE INDEX idx_services_service_role ON services (service_role);

CREATE TABLE msg_queues (
  recipient_id BYTEA NOT NULL PRIMARY KEY,
  recipient_keys BYTEA NOT NULL,
  rcv_dh_secret BYTEA NOT NULL,
  sender_id BYTEA NOT NULL,
  sender_key BYTEA,
  notifier_id BYTEA,
  notifier_key BYTEA,
  rcv_ntf_dh_secret BYTEA,
  status TEXT NOT NULL,
  updated_at BIGINT,
  deleted_at BIGINT,
  queue_mode TEXT,
  link_id BYTEA,
  fixed_data BYTEA,
  user_data BYTEA,
  rcv_service_id BYTEA REFERENCES services (service_id) ON UPDATE RESTRICT ON DELETE SET NULL,
  ntf_service_id BYTEA REFERENCES services (service_id) ON UPDATE RESTRICT ON DELETE SET NULL,
  msg_can_write BOOLEAN NOT NULL DEFAULT TRUE,
  msg_queue_expire BOOLEAN NOT NULL DEFAULT FALSE,
  msg_queue_size BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX idx_msg_queues_sender_id ON msg_queues (sender_id);
CREATE UNIQUE INDEX idx_msg_queues_notifier_id ON msg_queues (notifier_id);
CREATE UNIQUE INDEX idx_msg_queues_link_id ON msg_queues (link_id);
CREATE INDEX idx_msg_queues_rcv_service_id ON msg_queues (rcv_service_id, deleted_at);
CREATE INDEX idx_msg_queues_ntf_service_id ON msg_queues (ntf_service_id, deleted_at);
CREATE INDEX idx_msg_queues_updated_at_recipient_id
  ON msg_queues (deleted_at, updated_at, msg_queue_expire, recipient_id);

CREATE TABLE messages (
  message_id BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  recipient_id BYTEA NOT NULL REFERENCES msg_queues (recipient_id) ON UPDATE RESTRICT ON DELETE CASCADE,
  msg_id BYTEA NOT NULL,
  msg_ts BIGINT NOT NULL,
  msg_quota BOOLEAN NOT NULL,
  msg_ntf_flag BOOLEAN NOT NULL,
  msg_body BYTEA NOT NULL
);
CREATE INDEX idx_messages_recipient_id_message_id ON messages (recipient_id, message_id);
CREATE INDEX idx_messages_recipient_id_msg_ts ON messages (recipient_id, msg_ts);
CREATE INDEX idx_messages_recipient_id_msg_quota ON messages (recipient_id, msg_quota);

CREATE FUNCTION write_message(
  p_recipient_id BYTEA, p_msg_id BYTEA, p_msg_ts BIGINT, p_msg_quota BOOLEAN, p_msg_ntf_flag BOOLEAN, p_msg_body BYTEA,
  p_quota INT
) RETURNS TABLE (quota_written BOOLEAN, was_empty BOOLEAN) LANGUAGE plpgsql AS $$
DECLARE
  queue RECORD;
BEGIN
  SELECT msg_can_write AS open, msg_queue_size AS size INTO queue
    FROM msg_queues WHERE recipient_id = p_recipient_id AND deleted_at IS NULL FOR UPDATE;
  IF NOT FOUND OR NOT (queue.open OR queue.size = 0) THEN
    RETURN;
  END IF;
  quota_written := p_msg_quota OR queue.size >= p_quota;
  was_empty := queue.size = 0;
  INSERT INTO messages (recipient_id, msg_id, msg_ts, msg_quota, msg_ntf_flag, msg_body)
    VALUES (p_recipient_id, p_msg_id, p_msg_ts, quota_written, p_msg_ntf_flag AND NOT quota_written,
      CASE WHEN quota_written THEN '' ELSE p_msg_body END);
  UPDATE msg_queues
    SET msg_can_write = NOT quota_written, msg_queue_expire = TRUE, msg_queue_size = msg_queue_size + 1
    WHERE recipient_id = p_recipient_id;
  RETURN NEXT;
END;
$$;

CREATE FUNCTION try_del_msg(p_recipient_id BYTEA, p_msg_id BYTEA)
RETURNS TABLE (r_msg_id BYTEA, r_msg_ts BIGINT, r_msg_quota BOOLEAN, r_msg_ntf_flag BOOLEAN, r_msg_body BYTEA)
LANGUAGE plpgsql AS $$
DECLARE
  size BIGINT;
  head messages%ROWTYPE;
BEGIN
  SELECT q.msg_queue_size INTO size
    FROM msg_queues q WHERE q.recipient_id = p_recipient_id AND q.deleted_at IS NULL FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  SELECT * INTO head FROM messages m WHERE m.recipient_id = p_recipient_id ORDER BY m.message_id LIMIT 1;
  IF NOT FOUND THEN
    IF size <> 0 THEN
      UPDATE msg_queues SET msg_can_write = TRUE, msg_queue_expire = FALSE, msg_queue_size = 0
        WHERE recipient_id = p_recipient_id;
    END IF;
    RETURN;
  END IF;
  IF head.msg_id = p_msg_id THEN
    DELETE FROM messages WHERE message_id = head.message_id;
    UPDATE msg_queues
      SET msg_can_write = msg_can_write OR msg_queue_size <= 1, msg_queue_expire = msg_queue_size > 1,
        msg_queue_size = GREATEST(msg_queue_size - 1, 0)
      WHERE recipient_id = p_recipient_id;
    RETURN QUERY SELECT head.msg_id, head.msg_ts, head.msg_quota, head.msg_ntf_flag, head.msg_body;
  END IF;
END;
$$;

CREATE FUNCTION try_del_peek_msg(p_recipient_id BYTEA, p_msg_id BYTEA)
RETURNS TABLE (r_msg_id BYTEA, r_msg_ts BIGINT, r_msg_quota BOOLEAN, r_msg_ntf_flag BOOLEAN, r_msg_body BYTEA)
LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY SELECT * FROM try_del_msg(p_recipient_id, p_msg_id);
  RETURN QUERY SELECT m.msg_id, m.msg_ts, m.msg_quota, m.msg_ntf_flag, m.msg_body
    FROM messages m JOIN msg_queues q ON q.recipient_id = m.recipient_id AND q.deleted_at IS NULL
    WHERE m.recipient_id = p_recipient_id ORDER BY m.message_id LIMIT 1;
END;
$$;

CREATE FUNCTION delete_expired_msgs(p_recipient_id BYTEA, p_old_ts BIGINT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
  size BIGINT;
  first_kept BIGINT;
  deleted BIGINT;
BEGIN
  SELECT msg_queue_size INTO size
    FROM msg_queues WHERE recipient_id = p_recipient_id AND deleted_at IS NULL FOR UPDATE SKIP LOCKED;
  IF NOT FOUND OR size = 0 THEN
    RETURN 0;
  END IF;
  SELECT MIN(message_id) INTO first_kept
    FROM messages WHERE recipient_id = p_recipient_id AND NOT msg_quota AND msg_ts >= p_old_ts;
  DELETE FROM messages
    WHERE recipient_id = p_recipient_id AND NOT msg_quota AND (first_kept IS NULL OR message_id < first_kept);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  IF deleted > 0 THEN
    UPDATE msg_queues
      SET msg_can_write = msg_can_write OR msg_queue_size <= deleted,
        msg_queue_expire = msg_queue_size > deleted AND first_kept IS NOT NULL,
        msg_queue_size = GREATEST(msg_queue_size - deleted, 0)
      WHERE recipient_id = p_recipient_id;
  END IF;
  RETURN deleted;
END;
$$;

CREATE PROCEDURE expire_old_messages(
  p_old_queue BIGINT, p_old_ts BIGINT, batch_size INT,
  OUT r_expired_msgs_count BIGINT, OUT r_stored_msgs_count BIGINT, OUT r_stored_queues BIGINT
) LANGUAGE plpgsql AS $$
DECLARE
  batch BYTEA[];
  id BYTEA;
  last_id BYTEA := '';
BEGIN
  r_expired_msgs_count := 0;
  LOOP
    SELECT array_agg(q.recipient_id) INTO batch FROM (
      SELECT recipient_id FROM msg_queues
        WHERE deleted_at IS NULL AND updated_at > p_old_queue AND msg_queue_expire AND recipient_id > last_id
        ORDER BY recipient_id LIMIT batch_size
    ) q;
    EXIT WHEN batch IS NULL;
    FOREACH id IN ARRAY batch LOOP
      BEGIN
        r_expired_msgs_count := r_expired_msgs_count + delete_expired_msgs(id, p_old_ts);
      EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'messages of a queue could not be expired: %', SQLERRM;
      END;
      COMMIT;
    END LOOP;
    last_id := batch[array_length(batch, 1)];
  END LOOP;
  SELECT COUNT(*) INTO r_stored_msgs_count FROM messages;
  SELECT COUNT(*) INTO r_stored_queues FROM msg_queues WHERE deleted_at IS NULL;
END;
$$;
`
