-- currencies_of: those merchants of these that there are, and the currency of their totals
SELECT id, currency
FROM events.merchants
WHERE id = ANY ($1::text[]);

-- owners_of: whose customers these are, as far as there are such customers
SELECT originator_id AS customer_id, merchant_id
FROM events.customer_events
WHERE originator_id = ANY ($1::text[])
    AND originator_version = 1;

-- take_in: events into the inbox; returned are those that were not there. Locks in the order of the key
INSERT INTO projections.billing_events (
    merchant_id, stream, identity, fingerprint, kind, event, occurred_at, standing,
    object_id, customer_id, status, amount, currency, sequence, received_at, body
)
SELECT
    e.merchant_id, e.stream, e.identity, e.fingerprint, e.kind, e.event, e.occurred_at, e.standing,
    e.object_id, e.customer_id, e.status, e.amount::numeric, e.currency, e.sequence,
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    e.body
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::bigint[], $8::text[],
    $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bytea[]
) AS e (
    stream, merchant_id, identity, fingerprint, kind, event, occurred_at, standing,
    object_id, customer_id, status, amount, currency, sequence, body
)
ORDER BY e.merchant_id COLLATE "C", e.stream COLLATE "C", e.identity COLLATE "C"
ON CONFLICT DO NOTHING
RETURNING merchant_id, stream, identity;

-- fingerprints_of: what events of the inbox said; LIMIT makes each a look-up of its own, however it is planned
SELECT w.merchant_id, w.stream, w.identity, b.fingerprint
FROM unnest($1::text[], $2::text[], $3::text[]) AS w (merchant_id, stream, identity)
CROSS JOIN LATERAL (
    SELECT e.fingerprint
    FROM projections.billing_events AS e
    WHERE e.merchant_id = w.merchant_id
        AND e.stream = w.stream
        AND e.identity = w.identity
    LIMIT 1
) AS b;

-- put_states: charges and invoices as they are after these events, and their customers' stats by the difference. Locks charges, then invoices, then stats, each in the order of the key
WITH charge AS (
    INSERT INTO projections.charges AS c (
        merchant_id, charge_id, rank, occurred_at, identity, stream,
        customer_id, status, amount, currency, spent
    )
    SELECT
        e.merchant_id, e.charge_id, e.rank, e.occurred_at, e.identity, e.stream,
        e.customer_id, e.status, e.amount::numeric, e.currency, e.spent::numeric
    FROM unnest(
        $1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::text[], $6::text[],
        $7::text[], $8::text[], $9::text[], $10::text[], $11::text[]
    ) AS e (
        merchant_id, charge_id, rank, occurred_at, identity, stream,
        customer_id, status, amount, currency, spent
    )
    ORDER BY e.merchant_id COLLATE "C", e.charge_id COLLATE "C"
    ON CONFLICT (merchant_id, charge_id) DO UPDATE
    SET rank = EXCLUDED.rank,
        occurred_at = EXCLUDED.occurred_at,
        identity = EXCLUDED.identity,
        stream = EXCLUDED.stream,
        customer_id = EXCLUDED.customer_id,
        status = EXCLUDED.status,
        amount = EXCLUDED.amount,
        currency = EXCLUDED.currency,
        spent = EXCLUDED.spent
    WHERE (c.rank, c.occurred_at, c.identity, c.stream)
        < (EXCLUDED.rank, EXCLUDED.occurred_at, EXCLUDED.identity, EXCLUDED.stream)
    RETURNING
        new.merchant_id,
        new.customer_id,
        new.spent,
        old.customer_id AS old_customer_id,
        old.spent AS old_spent
),
invoice AS (
    INSERT INTO projections.invoices AS i (
        merchant_id, invoice_id, rank, occurred_at, identity, stream, customer_id, status
    )
    SELECT
        e.merchant_id, e.invoice_id, e.rank, e.occurred_at, e.identity, e.stream, e.customer_id, e.status
    FROM unnest(
        $12::text[], $13::text[], $14::smallint[], $15::bigint[], $16::text[], $17::text[],
        $18::text[], $19::text[]
    ) AS e (merchant_id, invoice_id, rank, occurred_at, identity, stream, customer_id, status)
    ORDER BY e.merchant_id COLLATE "C", e.invoice_id COLLATE "C"
    ON CONFLICT (merchant_id, invoice_id) DO UPDATE
    SET rank = EXCLUDED.rank,
        occurred_at = EXCLUDED.occurred_at,
        identity = EXCLUDED.identity,
        stream = EXCLUDED.stream,
        customer_id = EXCLUDED.customer_id,
        status = EXCLUDED.status
    WHERE (i.rank, i.occurred_at, i.identity, i.stream)
        < (EXCLUDED.rank, EXCLUDED.occurred_at, EXCLUDED.identity, EXCLUDED.stream)
    RETURNING
        new.merchant_id,
        new.customer_id,
        (new.status <> 'deleted')::integer AS counted,
        old.customer_id AS old_customer_id,
        (old.status <> 'deleted')::integer AS old_counted
),
difference (merchant_id, customer_id, invoice_count, charge_count, total_spent) AS (
    SELECT merchant_id, customer_id, 0, 1, spent FROM charge
    UNION ALL
    SELECT merchant_id, old_customer_id, 0, -1, -old_spent FROM charge
    UNION ALL
    SELECT merchant_id, customer_id, counted, 0, 0 FROM invoice
    UNION ALL
    SELECT merchant_id, old_customer_id, -old_counted, 0, 0 FROM invoice
)
INSERT INTO projections.customer_stats AS s (
    merchant_id, customer_id, invoice_count, charge_count, total_spent
)
SELECT d.merchant_id, d.customer_id, sum(d.invoice_count), sum(d.charge_count), sum(d.total_spent)
FROM difference AS d
WHERE d.customer_id IS NOT NULL
GROUP BY d.merchant_id, d.customer_id
HAVING sum(d.invoice_count) <> 0 OR sum(d.charge_count) <> 0 OR sum(d.total_spent) <> 0
ORDER BY d.merchant_id COLLATE "C", d.customer_id COLLATE "C"
ON CONFLICT (merchant_id, customer_id) DO UPDATE
SET invoice_count = s.invoice_count + EXCLUDED.invoice_count,
    charge_count = s.charge_count + EXCLUDED.charge_count,
    total_spent = s.total_spent + EXCLUDED.total_spent;

-- stats_of: the totals of those customers of a merchant that have any
SELECT customer_id, invoice_count, charge_count, total_spent
FROM projections.customer_stats
WHERE merchant_id = $1
    AND customer_id = ANY ($2::text[]);
