-- The one way to begin a new epoch. It only rises, by a thousand at once at most: whoever forges a message can make
-- subscribers compare what they have, and not use up the numbers.

-- These merchants' ledgers are in these epochs from now on; those that are there already, and merchants that are not
-- known, stay as they are. Out: where each new epoch begins.
CREATE OR REPLACE FUNCTION events.raise_epochs(merchants text[], epochs bigint[], reason text)
RETURNS TABLE (merchant_id text, epoch bigint, "position" bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH wanted AS (
        SELECT w.id, max(w.epoch) AS epoch
        FROM unnest(merchants, epochs) AS w (id, epoch)
        GROUP BY w.id
    ), raised AS (
        UPDATE events.merchants AS m
        SET epoch = w.epoch
        FROM wanted AS w
        WHERE m.id = w.id AND w.epoch > m.epoch AND w.epoch <= m.epoch + 1000
        RETURNING m.id, m.epoch, m.position, m.hash
    )
    INSERT INTO events.epochs AS e (merchant_id, epoch, position, hash, raised_at, reason)
    SELECT
        r.id,
        r.epoch,
        r.position,
        r.hash,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
        raise_epochs.reason
    FROM raised AS r
    RETURNING e.merchant_id, e.epoch, e.position;
END;

REVOKE ALL ON FUNCTION events.raise_epochs(text[], bigint[], text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION events.raise_epochs(text[], bigint[], text) TO customers_app;
