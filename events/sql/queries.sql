-- append: write a batch of commands; one outcome each, in order
SELECT kind, position, recorded_at, customer_id, version, status
FROM events.append($1::events.command[]);

-- lock_hastily: for a batch's parts, which have waited once already
SET lock_timeout = '30ms';

-- lock_patiently: the usual patience with a merchant's lock
SET lock_timeout = '300ms';

-- load_customers: for each (merchant, customer, idempotency key, last version) wanted: the key's row, the data key, the newest snapshot and the events beyond it
SELECT
    w.n,
    i.fingerprint AS answered_fingerprint,
    i.customer_id AS answered_customer_id,
    i.version AS answered_version,
    i.status AS answered_status,
    k.wrapped_key,
    k.master_version,
    s.originator_version AS snapshot_version,
    s.topic AS snapshot_topic,
    s.state AS snapshot_state,
    e.originator_version,
    e.topic,
    e.state,
    e.recorded_at
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[])
    WITH ORDINALITY AS w (merchant_id, customer_id, idempotency_key, last_version, n)
LEFT JOIN events.idempotency_keys AS i
    ON i.merchant_id = w.merchant_id AND i.key = w.idempotency_key
LEFT JOIN events.customer_keys AS k
    ON k.merchant_id = w.merchant_id AND k.customer_id = w.customer_id
LEFT JOIN LATERAL (
    SELECT c.originator_version, c.topic, c.state
    FROM events.customer_snapshots AS c
    WHERE c.originator_id = w.customer_id
        AND c.merchant_id = w.merchant_id
        AND c.originator_version <= w.last_version
    ORDER BY c.originator_version DESC
    LIMIT 1
) AS s ON true
LEFT JOIN events.customer_events AS e
    ON e.originator_id = w.customer_id
    AND e.merchant_id = w.merchant_id
    AND e.originator_version > coalesce(s.originator_version, 0)
    AND e.originator_version <= w.last_version
ORDER BY w.n, e.originator_version;

-- save_snapshot: keep the state of a long history at a version, unless its customer was erased meanwhile
INSERT INTO events.customer_snapshots (originator_id, originator_version, topic, state, merchant_id)
SELECT $1, $2, $3, $4, $5
FROM events.customer_keys AS k
WHERE k.merchant_id = $5
    AND k.customer_id = $1
    AND k.wrapped_key IS NOT NULL
ON CONFLICT DO NOTHING;

-- history_older: a customer's events below a version, newest first
SELECT
    e.position,
    e.originator_version AS version,
    e.topic,
    e.recorded_at,
    e.metadata,
    e.state,
    k.wrapped_key,
    k.master_version
FROM events.customer_events AS e
LEFT JOIN events.customer_keys AS k
    ON k.merchant_id = e.merchant_id AND k.customer_id = e.originator_id
WHERE e.originator_id = $2
    AND e.originator_version < $3
    AND e.merchant_id = $1
ORDER BY e.originator_version DESC
LIMIT $4;

-- history_newer: a customer's events above a version, oldest first
SELECT
    e.position,
    e.originator_version AS version,
    e.topic,
    e.recorded_at,
    e.metadata,
    e.state,
    k.wrapped_key,
    k.master_version
FROM events.customer_events AS e
LEFT JOIN events.customer_keys AS k
    ON k.merchant_id = e.merchant_id AND k.customer_id = e.originator_id
WHERE e.originator_id = $2
    AND e.originator_version > $3
    AND e.merchant_id = $1
ORDER BY e.originator_version
LIMIT $4;

-- creation_of: when a customer, live or deleted, was created; from the store, so that no cursor is too fresh
SELECT recorded_at
FROM events.customer_events
WHERE originator_id = $1
    AND originator_version = 1
    AND merchant_id = $2;

-- version_at: the version that a customer had at a moment (µs), 0 before its first; versions have no gaps and their times ascend, so the span between two of them is halved until it is one
WITH RECURSIVE span (low, high) AS (
    SELECT 0::bigint, coalesce((
        SELECT e.originator_version
        FROM events.customer_events AS e
        WHERE e.originator_id = $2
            AND e.merchant_id = $1
        ORDER BY e.originator_version DESC
        LIMIT 1
    ), 0)
    UNION ALL
    SELECT
        CASE WHEN middle.recorded_at <= $3 THEN middle.version ELSE s.low END,
        CASE WHEN middle.recorded_at <= $3 THEN s.high ELSE middle.version - 1 END
    FROM span AS s
    CROSS JOIN LATERAL (
        SELECT e.originator_version AS version, e.recorded_at
        FROM events.customer_events AS e
        WHERE e.originator_id = $2
            AND e.originator_version = (s.low + s.high + 1) / 2
            AND e.merchant_id = $1
    ) AS middle
    WHERE s.low < s.high
)
SELECT s.low AS version
FROM span AS s
WHERE s.low = s.high;

-- drop_old_idempotency_keys: forget keys answered longer ago (µs, by the clock that dated them), so many at a time
DELETE FROM events.idempotency_keys
WHERE (merchant_id, key) IN (
    SELECT i.merchant_id, i.key
    FROM events.idempotency_keys AS i
    WHERE i.created_at < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - $1::bigint
    LIMIT $2
)
RETURNING merchant_id;

-- master_key_checks: which master keys this data was written under
SELECT version, check_value
FROM events.master_key_checks
ORDER BY version;

-- add_master_key_check: remember a master key's check value
INSERT INTO events.master_key_checks (version, check_value)
VALUES ($1, $2)
ON CONFLICT DO NOTHING;

-- replay_page: a page of a merchant's events, customer by customer, beyond a version of a customer; a customer that has none (until a moment) is a row without
SELECT
    k.customer_id,
    k.wrapped_key,
    k.master_version,
    e.originator_version,
    e.topic,
    e.state,
    e.recorded_at
FROM (
    SELECT c.customer_id, c.wrapped_key, c.master_version
    FROM events.customer_keys AS c
    WHERE c.merchant_id = $1
        AND c.customer_id >= $2
        AND c.customer_id <= $3
    ORDER BY c.customer_id
    LIMIT $6
) AS k
LEFT JOIN LATERAL (
    SELECT v.originator_version, v.topic, v.state, v.recorded_at
    FROM events.customer_events AS v
    WHERE v.originator_id = k.customer_id
        AND v.merchant_id = $1
        AND v.originator_version > CASE WHEN k.customer_id = $2 THEN $4::bigint ELSE 0 END
        AND v.recorded_at <= $5
    ORDER BY v.originator_version
    LIMIT $6
) AS e ON true
ORDER BY k.customer_id, e.originator_version
LIMIT $6;

-- last_event_of: a customer's last event
SELECT
    e.merchant_id,
    e.originator_id AS customer_id,
    e.originator_version AS version,
    e.position,
    e.recorded_at,
    e.hash,
    e.metadata,
    e.topic
FROM events.customer_events AS e
WHERE e.merchant_id = $1
    AND e.originator_id = $2
ORDER BY e.originator_version DESC
LIMIT 1;

-- remains_of: what can be told of a customer without opening anything: its first and last event, the master key's version that wraps its data key, if it has one, and the email it claims (all claims of the merchant are looked at, since only a customer that cannot be opened needs this)
SELECT
    f.recorded_at AS created_at,
    e.originator_version AS version,
    e.topic,
    e.recorded_at,
    k.wrapping_version,
    c.email_key
FROM (
    SELECT l.originator_version, l.topic, l.recorded_at
    FROM events.customer_events AS l
    WHERE l.merchant_id = $1
        AND l.originator_id = $2
    ORDER BY l.originator_version DESC
    LIMIT 1
) AS e
JOIN events.customer_events AS f
    ON f.merchant_id = $1 AND f.originator_id = $2 AND f.originator_version = 1
LEFT JOIN (
    SELECT d.master_version AS wrapping_version
    FROM events.customer_keys AS d
    WHERE d.merchant_id = $1
        AND d.customer_id = $2
        AND d.wrapped_key IS NOT NULL
) AS k ON true
LEFT JOIN (
    SELECT a.email_key
    FROM events.email_claims AS a
    WHERE a.merchant_id = $1
        AND a.customer_id = $2
    LIMIT 1
) AS c ON true;

-- erasures_page: erased customers beyond this one, with the events that erased them, which are their last
SELECT
    e.merchant_id,
    e.originator_id AS customer_id,
    e.originator_version AS version,
    e.position,
    e.recorded_at,
    e.hash,
    e.metadata,
    e.topic
FROM (
    SELECT c.merchant_id, c.customer_id
    FROM events.customer_keys AS c
    WHERE c.wrapped_key IS NULL
        AND (c.merchant_id, c.customer_id) > ($1, $2::text)
    ORDER BY c.merchant_id, c.customer_id
    LIMIT $3
) AS k
CROSS JOIN LATERAL (
    SELECT l.*
    FROM events.customer_events AS l
    WHERE l.originator_id = k.customer_id
        AND l.merchant_id = k.merchant_id
    ORDER BY l.originator_version DESC
    LIMIT 1
) AS e
ORDER BY k.merchant_id, k.customer_id;

-- are_erased: of these customers, those that are there, and whether they are erased; LIMIT makes each a look-up of its own, however it is planned
SELECT w.merchant_id, w.customer_id, k.is_erased
FROM unnest($1::text[], $2::text[]) AS w (merchant_id, customer_id)
CROSS JOIN LATERAL (
    SELECT c.wrapped_key IS NULL AS is_erased
    FROM events.customer_keys AS c
    WHERE c.merchant_id = w.merchant_id
        AND c.customer_id = w.customer_id
    LIMIT 1
) AS k;

-- wrapped_keys_page: data keys beyond this one, with the versions of the master key that wrap them
SELECT k.merchant_id, k.customer_id, k.wrapped_key, k.master_version
FROM events.customer_keys AS k
WHERE (k.merchant_id, k.customer_id) > ($1, $2::text)
ORDER BY k.merchant_id, k.customer_id
LIMIT $3;

-- estimate_data_keys: about how many rows there are to look at; 0 when nobody has looked yet
SELECT greatest(c.reltuples, 0)::bigint AS keys
FROM pg_class AS c
WHERE c.oid = 'events.customer_keys'::regclass;

-- rewrap: these data keys are wrapped by this version now, but for those that were destroyed meanwhile
UPDATE events.customer_keys AS k
SET wrapped_key = w.wrapped_key, master_version = $5
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[])
    AS w (merchant_id, customer_id, was, wrapped_key)
WHERE k.merchant_id = w.merchant_id
    AND k.customer_id = w.customer_id
    AND k.wrapped_key = w.was
RETURNING k.customer_id;

-- api_keys_by_version: how many API keys in force are kept by each version of the master key
SELECT k.master_version, count(*) AS keys
FROM events.api_keys AS k
WHERE k.revoked_at IS NULL
GROUP BY k.master_version
ORDER BY k.master_version;
