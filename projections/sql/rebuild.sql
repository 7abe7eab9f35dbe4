-- try_rebuild_lock: be the only rebuild, for as long as the session lives
SELECT pg_try_advisory_lock($1) AS free;

-- begin_rebuild: an empty schema for shadows, and the run it belongs to
SELECT projections.begin_rebuild($1);

-- make_shadow: an empty table like a live one
SELECT projections.make_shadow($1);

-- index_shadow: its indexes and statistics
SELECT projections.index_shadow($1);

-- wait_briefly: readers must not queue up behind us
SET LOCAL lock_timeout = '100ms';

-- keep_vacuum_away: autovacuum is not at these tables nor their shadows
SELECT projections.keep_vacuum_away($1);

-- lock_live: nobody else reads or writes these tables
SELECT projections.lock_live($1);

-- swap_shadows: take the live tables' places, unless the shadows are another run's
SELECT projections.swap_shadows($1, $2) AS swapped;

-- drop_shadows: leave nothing behind
DROP SCHEMA IF EXISTS projections_rebuilt CASCADE;

-- drop_abandoned_shadows: leave nothing behind of a rebuild that was killed
SELECT projections.drop_abandoned_shadows($1) AS dropped;

-- forget_progress: a projection has not come anywhere
DELETE FROM projections.progress
WHERE projection = $1;

-- begin_at_heads: a projection has come as far as every ledger goes
INSERT INTO projections.progress (projection, merchant_id, position, hash, epoch)
SELECT $1, m.id, m.position, m.hash, m.epoch
FROM events.merchants AS m;

-- stretch_end: the customer so many places above one, if there are so many
SELECT k.customer_id
FROM events.customer_keys AS k
WHERE k.merchant_id = $1
    AND k.customer_id > $2
ORDER BY k.customer_id
OFFSET $3
LIMIT 1;

-- lock_all_progress: how far a projection has come with each merchant is for us alone to move
SELECT
FROM projections.progress
WHERE projection = $1
ORDER BY merchant_id
FOR UPDATE;

-- take_over_progress: a projection is where another one is
INSERT INTO projections.progress AS p (projection, merchant_id, position, hash, epoch)
SELECT $2, s.merchant_id, s.position, s.hash, s.epoch
FROM projections.progress AS s
WHERE s.projection = $1
ORDER BY s.merchant_id
ON CONFLICT (projection, merchant_id) DO UPDATE
SET position = EXCLUDED.position,
    hash = EXCLUDED.hash,
    epoch = EXCLUDED.epoch;

-- note_arrivals: from now on note what is taken into the inbox
SELECT projections.note_arrivals();

-- inbox_page: a page of the events that count, in the order of their identity
SELECT
    b.stream,
    b.merchant_id,
    b.identity,
    b.fingerprint,
    b.kind,
    b.event,
    b.occurred_at,
    b.standing,
    b.object_id,
    b.customer_id,
    b.status,
    b.amount::text AS amount,
    b.currency
FROM projections.billing_events AS b
WHERE (b.merchant_id, b.stream, b.identity) > ($1, $2, $3)
ORDER BY b.merchant_id, b.stream, b.identity
LIMIT $4;

-- take_arrived: a page of what has arrived since it is noted; it is noted no more
WITH taken AS (
    DELETE FROM projections_rebuilt.arrived AS a
    WHERE a.n IN (SELECT w.n FROM projections_rebuilt.arrived AS w ORDER BY w.n LIMIT $1)
    RETURNING a.merchant_id, a.stream, a.identity
)
SELECT
    b.stream,
    b.merchant_id,
    b.identity,
    b.fingerprint,
    b.kind,
    b.event,
    b.occurred_at,
    b.standing,
    b.object_id,
    b.customer_id,
    b.status,
    b.amount::text AS amount,
    b.currency
FROM taken AS t
JOIN projections.billing_events AS b
    ON b.merchant_id = t.merchant_id AND b.stream = t.stream AND b.identity = t.identity;

-- lock_inbox: nobody takes anything in until we are done
LOCK TABLE projections.billing_events IN ACCESS EXCLUSIVE MODE;

-- inbox_size: about how many events there are
SELECT greatest(c.reltuples, 0)::bigint AS events
FROM pg_class AS c
WHERE c.oid = 'projections.billing_events'::regclass;
