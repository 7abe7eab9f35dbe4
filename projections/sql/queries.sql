-- read_customers: for each (merchant, customer id or folded email) wanted: its row, and its events beyond the row
SELECT
    w.n,
    coalesce(w.customer_id, m.customer_id) AS customer_id,
    c.version,
    c.created_at,
    c.updated_at,
    c.deleted,
    c.body,
    k.wrapped_key,
    k.master_version,
    e.originator_version,
    e.topic,
    e.state,
    e.recorded_at
FROM unnest($1::text[], $2::text[], $3::text[])
    WITH ORDINALITY AS w (merchant_id, customer_id, email_key, n)
LEFT JOIN events.email_claims AS m
    ON m.merchant_id = w.merchant_id AND m.email_key = w.email_key
LEFT JOIN projections.customers AS c
    ON c.merchant_id = w.merchant_id AND c.customer_id = coalesce(w.customer_id, m.customer_id)
LEFT JOIN events.customer_events AS e
    ON e.originator_id = coalesce(w.customer_id, m.customer_id)
    AND e.originator_version > coalesce(c.version, 0)
    AND e.merchant_id = w.merchant_id
LEFT JOIN events.customer_keys AS k
    ON k.merchant_id = e.merchant_id AND k.customer_id = e.originator_id
ORDER BY w.n, e.originator_version;

-- places_of: for each of these merchants how far its ledger goes, and how far a projection has come in it
SELECT coalesce(m.position, 0) AS head, coalesce(p.position, 0) AS position
FROM unnest($2::text[]) WITH ORDINALITY AS w (merchant_id, n)
LEFT JOIN events.merchants AS m
    ON m.id = w.merchant_id
LEFT JOIN projections.progress AS p
    ON p.projection = $1 AND p.merchant_id = w.merchant_id
ORDER BY w.n;

-- merchants_behind: merchants, from an id on, whose ledger is ahead of a projection; both positions
SELECT m.id, m.position AS head, coalesce(p.position, 0) AS position
FROM events.merchants AS m
LEFT JOIN projections.progress AS p
    ON p.projection = $1 AND p.merchant_id = m.id
WHERE m.position > coalesce(p.position, 0)
    AND m.id > $2
ORDER BY m.id
LIMIT $3;

-- begin_progress: merchants new to a projection start before their first event
INSERT INTO projections.progress (projection, merchant_id, position, hash, epoch)
SELECT $1, m.id, 0, sha256(convert_to('customers-ledger-v1' || m.id, 'UTF8')), m.epoch
FROM events.merchants AS m
WHERE m.id = ANY ($2::text[])
ORDER BY m.id
ON CONFLICT DO NOTHING;

-- lock_progress: how far a projection has come with these merchants, for us alone to move
SELECT merchant_id, position, hash
FROM projections.progress
WHERE projection = $1
    AND merchant_id = ANY ($2::text[])
ORDER BY merchant_id
FOR UPDATE;

-- move_progress: this far, with the ledgers' hashes there
UPDATE projections.progress AS p
SET position = n.position, hash = n.hash
FROM unnest($2::text[], $3::bigint[], $4::bytea[]) AS n (merchant_id, position, hash)
WHERE p.projection = $1
    AND p.merchant_id = n.merchant_id;

-- next_events: a page of a merchant's ledger from a position on, with the data keys that open it
SELECT
    e.position,
    e.hash,
    e.originator_id AS customer_id,
    e.originator_version,
    e.topic,
    e.state,
    e.recorded_at,
    k.wrapped_key,
    k.master_version
FROM events.customer_events AS e
LEFT JOIN events.customer_keys AS k
    ON k.merchant_id = e.merchant_id AND k.customer_id = e.originator_id
WHERE e.merchant_id = $1
    AND e.position >= $2
ORDER BY e.position
LIMIT $3;

-- rows_of: the rows that a merchant's customers have now
SELECT customer_id, version, created_at, updated_at, deleted, body
FROM projections.customers
WHERE merchant_id = $1
    AND customer_id = ANY ($2::text[]);

-- put_rows: rows as they are after these events, never backward; terms have a blank between each
INSERT INTO projections.customers AS c (
    merchant_id, customer_id, version, created_at, updated_at, deleted, body, terms, words
)
SELECT
    $1,
    r.customer_id,
    r.version,
    r.created_at,
    r.updated_at,
    r.deleted,
    r.body,
    array_to_tsvector(string_to_array(r.terms, ' ')),
    r.words
FROM unnest(
    $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[], $7::bytea[], $8::text[], $9::text[]
) AS r (customer_id, version, created_at, updated_at, deleted, body, terms, words)
ON CONFLICT (merchant_id, customer_id) DO UPDATE
SET version = EXCLUDED.version,
    updated_at = EXCLUDED.updated_at,
    deleted = EXCLUDED.deleted,
    body = EXCLUDED.body,
    terms = EXCLUDED.terms,
    words = EXCLUDED.words
WHERE c.version < EXCLUDED.version;

-- put_messages: rows as messages tell them, never backward; created_at is null where the creation is not among them
INSERT INTO projections.customers AS c (
    merchant_id, customer_id, version, created_at, updated_at, deleted, body, terms, words
)
SELECT
    r.merchant_id,
    r.customer_id,
    r.version,
    coalesce(r.created_at, was.created_at),
    r.updated_at,
    r.deleted,
    r.body,
    array_to_tsvector(string_to_array(r.terms, ' ')),
    r.words
FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[], $7::bytea[],
    $8::text[], $9::text[]
) AS r (merchant_id, customer_id, version, created_at, updated_at, deleted, body, terms, words)
LEFT JOIN projections.customers AS was
    ON was.merchant_id = r.merchant_id AND was.customer_id = r.customer_id
WHERE coalesce(r.created_at, was.created_at) IS NOT NULL
ON CONFLICT (merchant_id, customer_id) DO UPDATE
SET version = EXCLUDED.version,
    updated_at = EXCLUDED.updated_at,
    deleted = EXCLUDED.deleted,
    body = EXCLUDED.body,
    terms = EXCLUDED.terms,
    words = EXCLUDED.words
WHERE c.version < EXCLUDED.version;

-- events_of: all events of one customer, with the data key that opens them
SELECT
    e.originator_id AS customer_id,
    e.originator_version,
    e.topic,
    e.state,
    e.recorded_at,
    k.wrapped_key,
    k.master_version
FROM events.customer_events AS e
LEFT JOIN events.customer_keys AS k
    ON k.merchant_id = e.merchant_id AND k.customer_id = e.originator_id
WHERE e.originator_id = $2
    AND e.merchant_id = $1
ORDER BY e.originator_version;

-- hashes_at: the ledger's hashes at these places
SELECT e.merchant_id, e.hash
FROM unnest($1::text[], $2::bigint[]) AS w (merchant_id, position)
JOIN events.customer_events AS e
    ON e.merchant_id = w.merchant_id AND e.position = w.position;

-- rows_between: a page of a merchant's rows, in the order of customers' ids, above one and up to another
SELECT customer_id, version, created_at, updated_at, deleted, body
FROM projections.customers
WHERE merchant_id = $1
    AND customer_id > $2
    AND customer_id <= $3
ORDER BY customer_id
LIMIT $4;
