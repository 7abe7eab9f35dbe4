-- create_merchant: a new merchant with an empty ledger
INSERT INTO events.merchants (id, live, currency, created_at, hash)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
RETURNING id, status, live, currency, created_at;

-- list_merchants: every merchant, oldest first
SELECT id, status, live, currency, created_at
FROM events.merchants
ORDER BY created_at, id;

-- deactivate_merchant: refuse the merchant's keys from now on
UPDATE events.merchants
SET status = 'inactive'
WHERE id = $1
RETURNING id, status, live, currency, created_at;

-- find_merchant: one merchant
SELECT id, status, live, currency, created_at
FROM events.merchants
WHERE id = $1;

-- create_key: a new API key; only an HMAC of its secret is kept
INSERT INTO events.api_keys (
    id, merchant_id, name, secret_hmac, master_version, scopes, allowed_cidrs, rate_limit, created_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- list_keys: API keys, of one merchant or of all, oldest first
SELECT id, merchant_id, name, scopes, allowed_cidrs, rate_limit, created_at, revoked_at
FROM events.api_keys
WHERE merchant_id = coalesce($1, merchant_id)
ORDER BY created_at, id;

-- key_names: what those of these keys that a merchant has are called
SELECT id, name
FROM events.api_keys
WHERE merchant_id = $1
    AND id = ANY ($2::text[]);

-- revoke_key: refuse the key from now on; the first moment stays
UPDATE events.api_keys
SET revoked_at = coalesce(revoked_at, $2)
WHERE id = $1
RETURNING id;

-- limit_key: the rate limit from now on, of a key that is not revoked
UPDATE events.api_keys
SET rate_limit = $2
WHERE id = $1
    AND revoked_at IS NULL
RETURNING id;

-- find_key: an API key that is not revoked, with its merchant
SELECT
    k.merchant_id,
    k.secret_hmac,
    k.master_version,
    k.scopes,
    k.allowed_cidrs,
    k.rate_limit,
    m.live,
    m.status
FROM events.api_keys AS k
JOIN events.merchants AS m ON m.id = k.merchant_id
WHERE k.id = $1
    AND k.revoked_at IS NULL;

-- ready: whether the store answers and its schema is there
SELECT count(*) AS migrations
FROM events.migrations;

-- begin_epochs: ledgers (one merchant's, or all) begin a new epoch, the one given or the next; not where their last one begins at this very head, or is beyond the one given. All that were asked for, and which of them did
WITH asked AS (
    SELECT
        m.id,
        m.epoch,
        m.position,
        CASE
            WHEN $2::bigint IS NOT NULL THEN $2
            WHEN NOT EXISTS (
                SELECT
                FROM events.epochs AS e
                WHERE e.merchant_id = m.id
                    AND e.epoch = m.epoch
                    AND e.position = m.position
                    AND e.hash = m.hash
            ) THEN m.epoch + 1
        END AS wanted
    FROM events.merchants AS m
    WHERE m.id = coalesce($1, m.id)
), raised AS MATERIALIZED (
    SELECT r.merchant_id, r.epoch, r.position
    FROM events.raise_epochs(
        ARRAY(SELECT a.id FROM asked AS a ORDER BY a.id),
        ARRAY(SELECT a.wanted FROM asked AS a ORDER BY a.id),
        $3
    ) AS r
)
SELECT
    a.id AS merchant_id,
    coalesce(r.epoch, a.epoch) AS epoch,
    coalesce(r.position, a.position) AS position,
    r.epoch IS NOT NULL AS begun
FROM asked AS a
LEFT JOIN raised AS r ON r.merchant_id = a.id
ORDER BY a.id;
