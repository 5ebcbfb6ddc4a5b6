/**
 * What upstream's migration `20250915_queue_ids_hash` adds: the number of queues of each service and a hash of their ids,
 * kept by triggers. Needs `pgcrypto` in the schema `public`.
 *
 * To be run with the schema as the first one of `search_path`.
 */
export const VERSION_6 = `
ALTER TABLE services
  ADD COLUMN queue_count BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN queue_ids_hash BYTEA NOT NULL DEFAULT '\\x00000000000000000000000000000000';

CREATE FUNCTION xor_combine(state BYTEA, value BYTEA) RETURNS BYTEA LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  result BYTEA := state;
BEGIN
  IF length(state) <> length(value) THEN
    RAISE EXCEPTION 'values of % and % bytes cannot be combined', length(state), length(value);
  END IF;
  FOR i IN 0..length(value) - 1 LOOP
    result := set_byte(result, i, get_byte(state, i) # get_byte(value, i));
  END LOOP;
  RETURN result;
END;
$$;

CREATE AGGREGATE xor_aggregate(BYTEA) (
  SFUNC = xor_combine, STYPE = BYTEA, INITCOND = '\\x00000000000000000000000000000000'
);

CREATE FUNCTION update_aggregates(p_service_id BYTEA, p_role TEXT, p_queue_id BYTEA, p_change BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE services
    SET queue_count = queue_count + p_change,
      queue_ids_hash = xor_combine(queue_ids_hash, public.digest(p_queue_id, 'md5'))
    WHERE service_id = p_service_id AND service_role = p_role;
END;
$$;

CREATE FUNCTION update_all_aggregates() RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  UPDATE services s SET queue_count = a.count, queue_ids_hash = a.hash FROM (
    SELECT rcv_service_id AS id, COUNT(*) AS count, xor_aggregate(public.digest(recipient_id, 'md5')) AS hash
      FROM msg_queues WHERE deleted_at IS NULL AND rcv_service_id IS NOT NULL GROUP BY rcv_service_id
  ) a WHERE s.service_id = a.id AND s.service_role = 'M';
  UPDATE services s SET queue_count = a.count, queue_ids_hash = a.hash FROM (
    SELECT ntf_service_id AS id, COUNT(*) AS count, xor_aggregate(public.digest(notifier_id, 'md5')) AS hash
      FROM msg_queues WHERE deleted_at IS NULL AND ntf_service_id IS NOT NULL AND notifier_id IS NOT NULL
      GROUP BY ntf_service_id
  ) a WHERE s.service_id = a.id AND s.service_role = 'N';
END;
$$;

CREATE FUNCTION on_queue_insert() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.rcv_service_id IS NOT NULL THEN
    PERFORM update_aggregates(NEW.rcv_service_id, 'M', NEW.recipient_id, 1);
  END IF;
  IF NEW.ntf_service_id IS NOT NULL AND NEW.notifier_id IS NOT NULL THEN
    PERFORM update_aggregates(NEW.ntf_service_id, 'N', NEW.notifier_id, 1);
  END IF;
  RETURN NEW;
END;
$$;

CREATE FUNCTION on_queue_update() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
  old_rcv BYTEA := CASE WHEN OLD.deleted_at IS NULL THEN OLD.rcv_service_id END;
  new_rcv BYTEA := CASE WHEN NEW.deleted_at IS NULL THEN NEW.rcv_service_id END;
  old_ntf BYTEA := CASE WHEN OLD.deleted_at IS NULL AND OLD.notifier_id IS NOT NULL THEN OLD.ntf_service_id END;
  new_ntf BYTEA := CASE WHEN NEW.deleted_at IS NULL AND NEW.notifier_id IS NOT NULL THEN NEW.ntf_service_id END;
BEGIN
  IF old_rcv IS DISTINCT FROM new_rcv THEN
    IF old_rcv IS NOT NULL THEN
      PERFORM update_aggregates(old_rcv, 'M', OLD.recipient_id, -1);
    END IF;
    IF new_rcv IS NOT NULL THEN
      PERFORM update_aggregates(new_rcv, 'M', NEW.recipient_id, 1);
    END IF;
  END IF;
  IF old_ntf IS DISTINCT FROM new_ntf OR (new_ntf IS NOT NULL AND OLD.notifier_id <> NEW.notifier_id) THEN
    IF old_ntf IS NOT NULL THEN
      PERFORM update_aggregates(old_ntf, 'N', OLD.notifier_id, -1);
    END IF;
    IF new_ntf IS NOT NULL THEN
      PERFORM update_aggregates(new_ntf, 'N', NEW.notifier_id, 1);
    END IF;
  END IF;
  RETURN NEW;
END;
$$;

CREATE FUNCTION on_queue_delete() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.deleted_at IS NULL THEN
    IF OLD.rcv_service_id IS NOT NULL THEN
      PERFORM update_aggregates(OLD.rcv_service_id, 'M', OLD.recipient_id, -1);
    END IF;
    IF OLD.ntf_service_id IS NOT NULL AND OLD.notifier_id IS NOT NULL THEN
      PERFORM update_aggregates(OLD.ntf_service_id, 'N', OLD.notifier_id, -1);
    END IF;
  END IF;
  RETURN OLD;
END;
$$;

SELECT update_all_aggregates();

CREATE TRIGGER tr_queue_insert AFTER INSERT ON msg_queues FOR EACH ROW EXECUTE PROCEDURE on_queue_insert();
CREATE TRIGGER tr_queue_update AFTER UPDATE ON msg_queues FOR EACH ROW EXECUTE PROCEDURE on_queue_update();
CREATE TRIGGER tr_queue_delete AFTER DELETE ON msg_queues FOR EACH ROW EXECUTE PROCEDURE on_queue_delete();
`

/** Undoes {@link VERSION_6}; kept in upstream's table of migrations, from which upstream runs it when asked to. */
export const VERSION_6_DOWN = `
DROP TRIGGER tr_queue_insert ON msg_queues;
DROP TRIGGER tr_queue_update ON msg_queues;
DROP TRIGGER tr_queue_delete ON msg_queues;
DROP FUNCTION on_queue_insert;
DROP FUNCTION on_queue_update;
DROP FUNCTION on_queue_delete;
DROP FUNCTION update_all_aggregates;
DROP FUNCTION update_aggregates;
DROP AGGREGATE xor_aggregate(BYTEA);
DROP FUNCTION xor_combine;
ALTER TABLE services DROP COLUMN queue_count, DROP COLUMN queue_ids_hash;
`
