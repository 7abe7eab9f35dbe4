-- park: keep what could not be applied, once; coming again it counts an attempt, and a skipped one stays skipped. Locks in the order of the key
INSERT INTO projections.parked AS p (
    projection, stream, digest, subject, sequence, headers, body,
    merchant_id, customer_id, reason, attempts, parked_at
)
SELECT
    $1, w.stream, w.digest, w.subject, w.sequence, w.headers, w.body,
    w.merchant_id, w.customer_id, w.reason, w.attempts,
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
FROM unnest(
    $2::text[], $3::bytea[], $4::text[], $5::bigint[], $6::text[], $7::bytea[],
    $8::text[], $9::text[], $10::text[], $11::bigint[]
) AS w (
    stream, digest, subject, sequence, headers, body,
    merchant_id, customer_id, reason, attempts
)
ORDER BY w.stream COLLATE "C", w.digest
ON CONFLICT (projection, stream, digest) DO UPDATE
SET reason = EXCLUDED.reason,
    attempts = p.attempts + EXCLUDED.attempts,
    sequence = EXCLUDED.sequence;

-- parked_customers: those of these digests that stand for a customer whose events are passed over
SELECT customer_id
FROM projections.parked
WHERE projection = $1
    AND stream = ''
    AND digest = ANY ($2::bytea[]);

-- list_parked: what is parked or skipped, of one projection or merchant or of all, oldest first
SELECT
    id, projection, status, stream, subject, sequence, headers, body,
    merchant_id, customer_id, reason, attempts, parked_at
FROM projections.parked
WHERE ($1::text IS NULL OR projection = $1)
    AND ($2::text IS NULL OR merchant_id = $2)
ORDER BY id;

-- find_parked: one thing parked or skipped
SELECT
    id, projection, status, stream, subject, sequence, headers, body,
    merchant_id, customer_id, reason, attempts, parked_at
FROM projections.parked
WHERE id = $1;

-- release_parked: it is applied; but not if it was parked again meanwhile
DELETE FROM projections.parked
WHERE id = $1
    AND attempts = $2
RETURNING id;

-- renew_parked: another attempt failed, and why
UPDATE projections.parked
SET attempts = attempts + 1, reason = $2
WHERE id = $1;

-- skip_parked: leave it aside for good, but in sight
UPDATE projections.parked
SET status = 'skipped'
WHERE id = $1
RETURNING id;

-- forget_parked: messages about this customer, by their subject, and the customer itself go
DELETE FROM projections.parked
WHERE projection = $1
    AND (subject = $2 OR (merchant_id = $3 AND customer_id = $4));
