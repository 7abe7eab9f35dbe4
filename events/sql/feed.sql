-- feed_page: a merchant's head, and its events beyond one position up to another, of these topics (null: of all), so many and so many bytes of state at most (one at least), with all that a message tells of them; one row without an event where there is none; within: how many there were before bytes were counted
SELECT
    m.position AS head,
    m.id AS merchant_id,
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
    e.within
FROM events.merchants AS m
LEFT JOIN LATERAL (
    SELECT
        s.*,
        count(*) OVER () AS within,
        sum(octet_length(s.state)) OVER (ORDER BY s.position) - octet_length(s.state) AS bytes_before
    FROM (
        SELECT c.*
        FROM events.customer_events AS c
        WHERE c.merchant_id = m.id
            AND c.position > $2
            AND c.position <= $3
            AND ($4::text[] IS NULL OR c.topic = ANY ($4))
        ORDER BY c.position
        LIMIT $5
    ) AS s
) AS e
    ON e.bytes_before < $6
LEFT JOIN events.customer_events AS p
    ON p.merchant_id = m.id AND p.position = e.position - 1
LEFT JOIN events.customer_keys AS k
    ON k.merchant_id = m.id AND k.customer_id = e.originator_id
WHERE m.id = $1
ORDER BY e.position;

-- feed_heads: the heads of these merchants' ledgers; the LIMIT makes each a look-up of its own, however it is planned
SELECT m.id, m.position, m.epoch
FROM unnest($1::text[]) AS w (id)
CROSS JOIN LATERAL (
    SELECT h.id, h.position, h.epoch
    FROM events.merchants AS h
    WHERE h.id = w.id
    LIMIT 1
) AS m;
