-- try_relay_lock: become the active relay, if no other session is
SELECT pg_try_advisory_lock($1) AS active;

-- outbox_page: the oldest events that have to leave, from a notification id on, with all that a message tells of them; waiting_before: the merchant's event before it, if that has to leave still
SELECT
    o.notification_id,
    e.merchant_id,
    e.originator_id AS customer_id,
    e.originator_version AS version,
    e.topic,
    e.position,
    e.recorded_at,
    e.hash,
    p.hash AS previous_hash,
    m.epoch,
    e.metadata,
    e.state,
    k.wrapped_key,
    k.master_version,
    w.notification_id AS waiting_before
FROM (
    SELECT b.notification_id
    FROM events.outbox AS b
    WHERE b.notification_id > $1
    ORDER BY b.notification_id
    LIMIT $2
) AS o
JOIN events.customer_events AS e
    ON e.notification_id = o.notification_id
JOIN events.merchants AS m
    ON m.id = e.merchant_id
LEFT JOIN events.customer_events AS p
    ON p.merchant_id = e.merchant_id AND p.position = e.position - 1
LEFT JOIN events.outbox AS w
    ON w.notification_id = p.notification_id
LEFT JOIN events.customer_keys AS k
    ON k.merchant_id = e.merchant_id AND k.customer_id = e.originator_id
ORDER BY o.notification_id;

-- erased_among: one of these customers that is erased; the inner LIMIT makes each a look-up of its own, however it is planned
SELECT w.customer_id
FROM unnest($1::text[], $2::text[]) AS w (merchant_id, customer_id)
CROSS JOIN LATERAL (
    SELECT
    FROM events.customer_keys AS c
    WHERE c.merchant_id = w.merchant_id
        AND c.customer_id = w.customer_id
        AND c.wrapped_key IS NULL
    LIMIT 1
) AS k
LIMIT 1;

-- drop_from_outbox: these leave no message
SELECT events.drop_from_outbox($1);

-- mark_published: these are in the stream, which ends with this sequence and id
SELECT events.mark_published($1, $2, $3);

-- relay_state: the stream that was filled last, and its end as it was last seen
SELECT stream_created, last_sequence, last_id, erasures_cleaned
FROM events.relay_state;

-- erasures_after: a page of the erasures beyond this notification id
SELECT e.notification_id, e.merchant_id, e.originator_id AS customer_id
FROM events.customer_events AS e
WHERE e.topic = 'CustomerErased'
    AND e.notification_id > $1
ORDER BY e.notification_id
LIMIT $2;

-- note_cleaned: of all customers whose erasures are numbered up to here, the stream has no other messages
SELECT events.note_cleaned($1);

-- follow_stream: this is the stream to fill, and its end
SELECT events.follow_stream($1, $2, $3);

-- mark_published_until: the stream has these merchants' events up to these positions
SELECT events.mark_published_until($1, $2);

-- put_back_after: a page of each of these merchants' events beyond these positions has to leave again; how far it reaches
SELECT p.merchant_id, p.put, p.last_position
FROM events.put_back_after($1, $2, $3) AS p;

-- merchants_page: merchants from an id on, also those without events: of them, too, the stream may have some
SELECT m.id
FROM events.merchants AS m
WHERE m.id > $1
ORDER BY m.id
LIMIT $2;

-- ledger_has: of these (merchant, position, hash), those that the ledger has, with what is known of them
SELECT e.notification_id, e.merchant_id, e.position, e.hash, e.recorded_at
FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS w (merchant_id, position, hash)
JOIN events.customer_events AS e
    ON e.merchant_id = w.merchant_id AND e.position = w.position AND e.hash = w.hash;

-- raise_epochs: these merchants' ledgers have lost history: they are in these epochs from now on, unless they are beyond
SELECT r.merchant_id, r.epoch, r.position
FROM events.raise_epochs($1, $2, $3) AS r;

-- recorded_until: of each of these merchants the last position recorded up to a moment (µs), 0 before its first; the moment is the later of $2, and now less $3; positions have no gaps and times ascend, so the span between two is halved until it is one
WITH RECURSIVE moment AS (
    SELECT greatest($2::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - $3::bigint) AS at
), span (merchant_id, low, high) AS (
    SELECT m.id, 0::bigint, m.position
    FROM events.merchants AS m
    WHERE m.id = ANY ($1::text[])
    UNION ALL
    SELECT
        s.merchant_id,
        CASE WHEN middle.recorded_at <= moment.at THEN middle.position ELSE s.low END,
        CASE WHEN middle.recorded_at <= moment.at THEN s.high ELSE middle.position - 1 END
    FROM span AS s
    CROSS JOIN moment
    CROSS JOIN LATERAL (
        SELECT e.position, e.recorded_at
        FROM events.customer_events AS e
        WHERE e.merchant_id = s.merchant_id
            AND e.position = (s.low + s.high + 1) / 2
    ) AS middle
    WHERE s.low < s.high
)
SELECT s.merchant_id, s.low AS position
FROM span AS s
WHERE s.low = s.high;
