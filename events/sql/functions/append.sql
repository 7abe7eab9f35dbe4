-- The one way to write an event.
--
-- Takes a batch of independent commands (best grouped by merchant) and returns one outcome for each, in order.
-- Runs as a single autocommit statement under READ COMMITTED: the first statement locks the heads of the
-- merchants concerned, so that every later one sees all that earlier lock holders committed. From there on
-- nothing can race, and each command is checked and written in plain steps. A refused command leaves nothing.

-- Events that a batch has decided on, with their outbox rows and new data keys: written together, since a
-- statement costs more than a row.
CREATE OR REPLACE FUNCTION events.write(written events.customer_events[], keys events.customer_keys[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH stored AS (
        INSERT INTO events.customer_events (
            originator_id, originator_version, topic, state,
            merchant_id, position, recorded_at, hash, metadata
        )
        SELECT
            w.originator_id, w.originator_version, w.topic, w.state,
            w.merchant_id, w.position, w.recorded_at, w.hash, w.metadata
        FROM unnest(written) AS w
        RETURNING notification_id, merchant_id, position
    )
    INSERT INTO events.outbox (notification_id, merchant_id, position)
    SELECT s.notification_id, s.merchant_id, s.position
    FROM stored AS s;

    INSERT INTO events.customer_keys (merchant_id, customer_id, wrapped_key, master_version)
    SELECT k.merchant_id, k.customer_id, k.wrapped_key, k.master_version
    FROM unnest(keys) AS k;
END
$$;

-- Erasure: the data key is destroyed, and the snapshots it sealed go. The key's row stays, and tells that this was
-- done here and is no loss; where it was lost before, there is one from now on, of no version of the master key.
CREATE OR REPLACE FUNCTION events.destroy_key(merchant text, customer text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO events.customer_keys (merchant_id, customer_id, wrapped_key, master_version)
    VALUES (merchant, customer, NULL, 0)
    ON CONFLICT (merchant_id, customer_id) DO UPDATE SET wrapped_key = NULL;

    DELETE FROM events.customer_snapshots AS s
    WHERE s.originator_id = customer AND s.merchant_id = merchant;
END
$$;

CREATE OR REPLACE FUNCTION events.append(commands events.command[]) RETURNS SETOF events.outcome
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    command events.command;
    head events.merchants;
    moved events.merchants[] := '{}';           -- heads of runs that are over, as they are now
    written events.customer_events[] := '{}';   -- decided on, and not yet in the table
    written_for text[] := '{}';                 -- … of these customers
    keys events.customer_keys[] := '{}';
    now bigint;             -- this batch's time, taken under the lock
    answered events.idempotency_keys;
    last_version bigint;
    same events.customer_events;
    holder text;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'events.append needs READ COMMITTED: its checks must see what the last lock holder committed'
            USING ERRCODE = 'invalid_transaction_state';
    END IF;

    PERFORM FROM events.merchants AS m
    WHERE m.id IN (SELECT c.merchant_id FROM unnest(commands) AS c)
    ORDER BY m.id
    FOR UPDATE;

    now := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

    FOREACH command IN ARRAY commands LOOP
        IF command.merchant_id IS DISTINCT FROM head.id THEN
            moved := array_append(moved, head);
            SELECT h.* INTO head
            FROM (
                SELECT * FROM unnest(moved)
                UNION ALL
                SELECT * FROM events.merchants AS m WHERE m.id = command.merchant_id
            ) AS h
            WHERE h.id = command.merchant_id
            ORDER BY h.position DESC
            LIMIT 1;
        END IF;

        IF head.id IS NULL THEN
            RETURN NEXT ('unknown_merchant', NULL, NULL, NULL, NULL, NULL)::events.outcome;
            CONTINUE;
        END IF;

        -- What is checked from here on must see what this batch has done to the same customer.
        IF command.customer_id = ANY (written_for) THEN
            PERFORM events.write(written, keys);
            written := '{}';
            written_for := '{}';
            keys := '{}';
        END IF;

        -- Has this key been answered before?
        IF command.idempotency_key IS NOT NULL THEN
            SELECT * INTO answered FROM events.idempotency_keys AS i
            WHERE i.merchant_id = command.merchant_id AND i.key = command.idempotency_key;

            IF FOUND AND answered.fingerprint <> command.fingerprint THEN
                RETURN NEXT ('fingerprint_mismatch', NULL, NULL, NULL, NULL, NULL)::events.outcome;
                CONTINUE;
            ELSIF FOUND THEN
                SELECT * INTO same FROM events.customer_events AS e
                WHERE e.originator_id = command.customer_id AND e.originator_version = command.version
                    AND e.merchant_id = command.merchant_id
                    AND e.state = command.state AND e.metadata = command.metadata;
                IF FOUND THEN -- by this very command, whose answer was lost on the way
                    RETURN NEXT ('already', same.position, same.recorded_at,
                        command.customer_id, command.version, command.status)::events.outcome;
                ELSE
                    RETURN NEXT ('replayed', NULL, NULL,
                        answered.customer_id, answered.version, answered.status)::events.outcome;
                END IF;
                CONTINUE;
            END IF;
        END IF;

        -- Is the customer at the version this command was decided on?
        SELECT e.originator_version INTO last_version FROM events.customer_events AS e
        WHERE e.originator_id = command.customer_id AND e.merchant_id = command.merchant_id
        ORDER BY e.originator_version DESC
        LIMIT 1;
        last_version := coalesce(last_version, 0);

        IF command.topic IS NOT NULL AND last_version >= command.version THEN
            SELECT * INTO same FROM events.customer_events AS e
            WHERE e.originator_id = command.customer_id AND e.originator_version = command.version
                AND e.merchant_id = command.merchant_id
                AND e.state = command.state AND e.metadata = command.metadata;
            IF FOUND THEN
                RETURN NEXT ('already', same.position, same.recorded_at,
                    command.customer_id, command.version, command.status)::events.outcome;
                CONTINUE;
            END IF;
        END IF;

        IF last_version <> command.version - (command.topic IS NOT NULL)::integer THEN
            RETURN NEXT ('version_conflict', NULL, NULL,
                command.customer_id, last_version, NULL)::events.outcome;
            CONTINUE;
        END IF;

        -- Is the email free, or its own?
        IF command.email_claim IS NOT NULL THEN
            INSERT INTO events.email_claims (merchant_id, email_key, customer_id)
            VALUES (command.merchant_id, command.email_claim, command.customer_id)
            ON CONFLICT DO NOTHING;

            IF NOT FOUND THEN
                SELECT c.customer_id INTO holder FROM events.email_claims AS c
                WHERE c.merchant_id = command.merchant_id AND c.email_key = command.email_claim;
                IF holder <> command.customer_id THEN
                    RETURN NEXT ('email_taken', NULL, NULL, holder, NULL, NULL)::events.outcome;
                    CONTINUE;
                END IF;
            END IF;
        END IF;

        -- Nothing refuses it any more: write.
        IF command.email_release IS NOT NULL THEN
            DELETE FROM events.email_claims AS c
            WHERE c.merchant_id = command.merchant_id AND c.email_key = command.email_release
                AND c.customer_id = command.customer_id;
        END IF;

        IF command.topic IS NOT NULL THEN
            head.position := head.position + 1;
            head.recorded_at := greatest(now, head.recorded_at + 1);
            head.hash := sha256('\x01'::bytea || head.hash || sha256(
                '\x00'::bytea
                || int8send(head.position)
                || int8send(head.recorded_at)
                || int4send(octet_length(command.customer_id)) || convert_to(command.customer_id, 'UTF8')
                || int8send(command.version)
                || int4send(octet_length(command.topic)) || convert_to(command.topic, 'UTF8')
                || sha256(command.metadata)
                || sha256(command.state)
            ));

            written_for := array_append(written_for, command.customer_id);
            written := array_append(written, (
                command.customer_id, command.version, command.topic, command.state, NULL,
                command.merchant_id, head.position, head.recorded_at, head.hash, command.metadata
            )::events.customer_events);

            IF command.topic = 'CustomerErased' THEN
                PERFORM events.destroy_key(command.merchant_id, command.customer_id);
            END IF;

            IF command.wrapped_key IS NOT NULL THEN
                keys := array_append(keys, (
                    command.merchant_id, command.customer_id, command.wrapped_key, command.master_version
                )::events.customer_keys);
            END IF;
        END IF;

        IF command.idempotency_key IS NOT NULL THEN
            INSERT INTO events.idempotency_keys (
                merchant_id, key, fingerprint, customer_id, version, status, created_at
            ) VALUES (
                command.merchant_id, command.idempotency_key, command.fingerprint,
                command.customer_id, command.version, command.status, now
            );
        END IF;

        RETURN NEXT ('appended',
            CASE WHEN command.topic IS NOT NULL THEN head.position END,
            CASE WHEN command.topic IS NOT NULL THEN head.recorded_at END,
            command.customer_id, command.version, command.status)::events.outcome;
    END LOOP;

    PERFORM events.write(written, keys);

    UPDATE events.merchants AS m
    SET position = h.position, hash = h.hash, recorded_at = h.recorded_at
    FROM (
        SELECT DISTINCT ON (a.id) a.id, a.position, a.hash, a.recorded_at
        FROM unnest(array_append(moved, head)) AS a
        ORDER BY a.id, a.position DESC
    ) AS h
    WHERE m.id = h.id AND m.position < h.position;
END
$$;

DROP FUNCTION IF EXISTS events.advance(events.merchants, bigint);

REVOKE ALL ON FUNCTION events.write(events.customer_events[], events.customer_keys[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION events.destroy_key(text, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION events.append(events.command[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION events.append(events.command[]) TO customers_app;
