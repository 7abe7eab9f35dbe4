-- next_ledger: the first merchant beyond an id, that is known or has events or checkpoints
SELECT min(n.id) AS id
FROM (
    (SELECT m.id FROM events.merchants AS m WHERE m.id > $1 ORDER BY m.id LIMIT 1)
    UNION ALL
    (SELECT e.merchant_id FROM events.customer_events AS e WHERE e.merchant_id > $1 ORDER BY e.merchant_id LIMIT 1)
    UNION ALL
    (SELECT c.merchant_id FROM events.checkpoints AS c WHERE c.merchant_id > $1 ORDER BY c.merchant_id LIMIT 1)
) AS n;

-- ledger_ends: a merchant's head, and where its events begin and end, all of one moment
SELECT
    m.position,
    m.recorded_at,
    m.hash,
    m.epoch,
    (SELECT min(e.position) FROM events.customer_events AS e WHERE e.merchant_id = w.id) AS first_position,
    (SELECT max(e.position) FROM events.customer_events AS e WHERE e.merchant_id = w.id) AS last_position
FROM (SELECT $1::text AS id) AS w
LEFT JOIN events.merchants AS m
    ON m.id = w.id;

-- ledger_range: a merchant's events from one position (without it) to another, as they are hashed
SELECT
    e.position,
    e.recorded_at,
    e.originator_id,
    e.originator_version,
    e.topic,
    e.metadata,
    e.state,
    e.hash
FROM events.customer_events AS e
WHERE e.merchant_id = $1
    AND e.position > $2
    AND e.position <= $3
ORDER BY e.position;

-- count_events: how many events the heads of all merchants (or of one) speak of
SELECT coalesce(sum(m.position), 0)::bigint AS events
FROM events.merchants AS m
WHERE m.id = coalesce($1, m.id);

-- moved_ledgers: a page of merchants beyond an id whose ledgers go beyond their last checkpoints
SELECT m.id
FROM events.merchants AS m
WHERE m.id > $1
    AND m.position > coalesce(
        (
            SELECT max(c.position) FROM events.checkpoints AS c
            WHERE c.merchant_id = m.id AND c.epoch = m.epoch
        ),
        0
    )
ORDER BY m.id
LIMIT $2;

-- last_checkpoint: a merchant's last one of an epoch
SELECT c.position, c.recorded_at, c.hash, c.merkle_root, c.frontier, c.public_key, c.signature
FROM events.checkpoints AS c
WHERE c.merchant_id = $1
    AND c.epoch = $2
ORDER BY c.position DESC
LIMIT 1;

-- stored_checkpoints: all of a merchant's, of every epoch
SELECT c.epoch, c.position, c.recorded_at, c.hash, c.merkle_root, c.public_key, c.signature
FROM events.checkpoints AS c
WHERE c.merchant_id = $1
ORDER BY c.epoch, c.position;

-- checkpoint_at: a merchant's one of an epoch at a position
SELECT c.position, c.recorded_at, c.hash, c.merkle_root, c.frontier, c.public_key, c.signature
FROM events.checkpoints AS c
WHERE c.merchant_id = $1
    AND c.epoch = $2
    AND c.position = $3;

-- add_checkpoint: keep one; no row if it is there
INSERT INTO events.checkpoints (
    merchant_id, epoch, position, recorded_at, hash, merkle_root, frontier, public_key, signature
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING
RETURNING position;

-- add_merkle_nodes: keep complete subtrees (level, index, hash); those that are there are the same
INSERT INTO events.merkle_nodes (merchant_id, epoch, level, index, hash)
SELECT $1, $2, n.level, n.index, n.hash
FROM unnest($3::smallint[], $4::bigint[], $5::bytea[]) AS n (level, index, hash)
ON CONFLICT DO NOTHING;

-- merkle_nodes: of these (level, index), those that are kept
SELECT n.level, n.index, n.hash
FROM unnest($3::smallint[], $4::bigint[]) AS w (level, index)
JOIN events.merkle_nodes AS n
    ON n.merchant_id = $1 AND n.epoch = $2 AND n.level = w.level AND n.index = w.index;

-- wrong_key: of the customers created at these positions (the first one left out), the first whose data key is not as its last event has it: destroyed once it is erased, and there until then
SELECT
    e.position,
    e.originator_id AS customer_id,
    l.topic = 'CustomerErased' AS erased,
    k.destroyed
FROM events.customer_events AS e
CROSS JOIN LATERAL (
    SELECT v.topic
    FROM events.customer_events AS v
    WHERE v.originator_id = e.originator_id
        AND v.merchant_id = e.merchant_id
    ORDER BY v.originator_version DESC
    LIMIT 1
) AS l
LEFT JOIN LATERAL (
    SELECT s.destroyed
    FROM events.customer_key_states AS s
    WHERE s.merchant_id = e.merchant_id
        AND s.customer_id = e.originator_id
    LIMIT 1
) AS k ON true
WHERE e.merchant_id = $1
    AND e.position > $2
    AND e.position <= $3
    AND e.originator_version = 1
    AND (l.topic = 'CustomerErased') IS DISTINCT FROM k.destroyed
ORDER BY e.position
LIMIT 1;

-- history: a customer's events up to a version, in the order of versions, as they are hashed
SELECT
    e.position,
    e.recorded_at,
    e.originator_id,
    e.originator_version,
    e.topic,
    e.metadata,
    e.state,
    e.hash
FROM events.customer_events AS e
WHERE e.originator_id = $1
    AND e.merchant_id = $2
    AND e.originator_version <= $3
ORDER BY e.originator_version;

-- merchants_of: whose customer this is
SELECT DISTINCT e.merchant_id
FROM events.customer_events AS e
WHERE e.originator_id = $1
ORDER BY e.merchant_id;

-- last_and_key: a customer's last event and its wrapped key, of one moment; no key once it is erased
SELECT
    e.originator_version AS version,
    e.position,
    e.topic = 'CustomerErased' AS erased,
    k.customer_id IS NOT NULL AS has_row,
    k.wrapped_key,
    k.master_version
FROM (
    SELECT l.*
    FROM events.customer_events AS l
    WHERE l.originator_id = $2
        AND l.merchant_id = $1
    ORDER BY l.originator_version DESC
    LIMIT 1
) AS e
LEFT JOIN events.customer_keys AS k
    ON k.merchant_id = e.merchant_id AND k.customer_id = e.originator_id;
