-- What the relay may do to the outbox. The application's role has no other way to it.

-- Messages are in the stream, which ends with this sequence and id: their outbox rows go.
CREATE OR REPLACE FUNCTION events.mark_published(published bigint[], stream_sequence bigint, stream_id text)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    DELETE FROM events.outbox AS o WHERE o.notification_id = ANY (published);
    UPDATE events.relay_state SET last_sequence = stream_sequence, last_id = stream_id;
END;

-- A stream is followed from here on: this one, which ends with this sequence and id.
CREATE OR REPLACE FUNCTION events.follow_stream(created text, stream_sequence bigint, stream_id text)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE events.relay_state
    SET stream_created = created, last_sequence = stream_sequence, last_id = stream_id;
END;

-- Events of a merchant beyond a position have to leave (again), under the notification ids they always had.
CREATE OR REPLACE FUNCTION events.put_back_after(merchant text, after_position bigint)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH put AS (
        INSERT INTO events.outbox (notification_id, merchant_id, position)
        SELECT e.notification_id, e.merchant_id, e.position
        FROM events.customer_events AS e
        WHERE e.merchant_id = merchant AND e.position > after_position
        ON CONFLICT DO NOTHING
        RETURNING 1
    )
    SELECT count(*) FROM put;
END;

-- All events have to leave (again): a page of them, from a notification id on; the page's last id, null at the end.
CREATE OR REPLACE FUNCTION events.put_back_page(after_notification bigint, page integer)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH found AS (
        SELECT e.notification_id, e.merchant_id, e.position
        FROM events.customer_events AS e
        WHERE e.notification_id > after_notification
        ORDER BY e.notification_id
        LIMIT page
    ), put AS (
        INSERT INTO events.outbox (notification_id, merchant_id, position)
        SELECT f.notification_id, f.merchant_id, f.position
        FROM found AS f
        ON CONFLICT DO NOTHING
    )
    SELECT max(f.notification_id) FROM found AS f;
END;

REVOKE ALL ON FUNCTION events.mark_published(bigint[], bigint, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION events.follow_stream(text, bigint, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION events.put_back_after(text, bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION events.put_back_page(bigint, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION events.mark_published(bigint[], bigint, text) TO customers_app;

GRANT EXECUTE ON FUNCTION events.follow_stream(text, bigint, text) TO customers_app;

GRANT EXECUTE ON FUNCTION events.put_back_after(text, bigint) TO customers_app;

GRANT EXECUTE ON FUNCTION events.put_back_page(bigint, integer) TO customers_app;
