-- page_older: live or deleted customers created and updated within these spans that match, newest first; no index is asked for terms
SELECT customer_id, created_at, updated_at, deleted, body
FROM projections.customers
WHERE merchant_id = $1
    AND deleted = $2
    AND created_at BETWEEN $3 AND $4
    AND updated_at BETWEEN $5 AND $6
    AND ($7::text IS NULL OR ts_match_vq(terms, $7::text::tsquery))
    AND words LIKE ALL ($8::text[])
ORDER BY created_at DESC
LIMIT $9;

-- page_newer: the same, oldest first
SELECT customer_id, created_at, updated_at, deleted, body
FROM projections.customers
WHERE merchant_id = $1
    AND deleted = $2
    AND created_at BETWEEN $3 AND $4
    AND updated_at BETWEEN $5 AND $6
    AND ($7::text IS NULL OR ts_match_vq(terms, $7::text::tsquery))
    AND words LIKE ALL ($8::text[])
ORDER BY created_at
LIMIT $9;

-- edge_older: when that live or deleted customer was created that comes after so many others, newest first
SELECT created_at
FROM projections.customers
WHERE merchant_id = $1
    AND deleted = $2
    AND created_at BETWEEN $3 AND $4
ORDER BY created_at DESC
OFFSET $5
LIMIT 1;

-- edge_newer: the same, oldest first
SELECT created_at
FROM projections.customers
WHERE merchant_id = $1
    AND deleted = $2
    AND created_at BETWEEN $3 AND $4
ORDER BY created_at
OFFSET $5
LIMIT 1;

-- search: the same as a page, found by an index of the filters: no index has this order ($9 is 1, or -1 for newest first)
SELECT customer_id, created_at, updated_at, deleted, body
FROM projections.customers
WHERE merchant_id = $1
    AND deleted = $2
    AND created_at BETWEEN $3 AND $4
    AND updated_at BETWEEN $5 AND $6
    AND ($7::text IS NULL OR terms @@ $7::text::tsquery)
    AND words LIKE ALL ($8::text[])
ORDER BY created_at * $9::bigint
LIMIT $10;

-- count: how many match, up to a limit
SELECT count(*) AS total
FROM (
    SELECT FROM projections.customers
    WHERE merchant_id = $1
        AND deleted = $2
        AND created_at BETWEEN $3 AND $4
        AND updated_at BETWEEN $5 AND $6
        AND ($7::text IS NULL OR terms @@ $7::text::tsquery)
        AND words LIKE ALL ($8::text[])
    LIMIT $9
) AS matching;
