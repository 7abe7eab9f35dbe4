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

-- Events of erased customers leave no message: their outbox rows go.
CREATE OR REPLACE FUNCTION events.drop_from_outbox(dropped bigint[])
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    DELETE FROM events.outbox AS o WHERE o.notification_id = ANY (dropped);
END;

-- Erasures up to this notification id are done in the stream.
CREATE OR REPLACE FUNCTION events.note_cleaned(until bigint)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE events.relay_state SET erasures_cleaned = until;
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

-- The stream has these merchants' events up to these positions: outbox rows up to there go.
CREATE OR REPLACE FUNCTION events.mark_published_until(merchants text[], positions bigint[])
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    DELETE FROM events.outbox AS o
    USING unnest(merchants, positions) AS w (merchant_id, position)
    WHERE o.merchant_id = w.merchant_id AND o.position <= w.position;
END;

-- Events of these merchants beyond these positions have to leave (again), under the notification ids they always
-- had: a page of each merchant's, and how far it reaches.
CREATE OR REPLACE FUNCTION events.put_back_after(merchants text[], positions bigint[], page integer)
RETURNS TABLE (merchant_id text, put bigint, last_position bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH found AS (
        SELECT e.notification_id, e.merchant_id, e.position
        FROM unnest(merchants, positions) AS w (merchant_id, position)
        CROSS JOIN LATERAL (
            SELECT c.notification_id, c.merchant_id, c.position
            FROM events.customer_events AS c
            WHERE c.merchant_id = w.merchant_id AND c.position > w.position
            ORDER BY c.position
            LIMIT page
        ) AS e
    ), put AS (
        INSERT INTO events.outbox (notification_id, merchant_id, position)
        SELECT f.notification_id, f.merchant_id, f.position
        FROM found AS f
        ON CONFLICT DO NOTHING
    )
    SELECT f.merchant_id, count(*), max(f.position) FROM found AS f GROUP BY f.merchant_id;
END;

DROP FUNCTION IF EXISTS events.put_back_after(text, bigint);

DROP FUNCTION IF EXISTS events.put_back_page(bigint, integer);

REVOKE ALL ON FUNCTION events.mark_published(bigint[], bigint, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION events.drop_from_outbox(bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION events.note_cleaned(bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION events.mark_published_until(text[], bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION events.follow_stream(text, bigint, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION events.put_back_after(text[], bigint[], integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION events.mark_published(bigint[], bigint, text) TO customers_app;

GRANT EXECUTE ON FUNCTION events.drop_from_outbox(bigint[]) TO customers_app;

GRANT EXECUTE ON FUNCTION events.note_cleaned(bigint) TO customers_app;

GRANT EXECUTE ON FUNCTION events.mark_published_until(text[], bigint[]) TO customers_app;

GRANT EXECUTE ON FUNCTION events.follow_stream(text, bigint, text) TO customers_app;

GRANT EXECUTE ON FUNCTION events.put_back_after(text[], bigint[], integer) TO customers_app;
