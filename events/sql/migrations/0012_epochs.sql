-- The histories that ledgers have had: each epoch after the first, where it began, and why.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- position, hash: the ledger's head when the epoch began; raised_at in µs since 1970-01-01 UTC.
CREATE TABLE events.epochs (
    merchant_id text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    position bigint NOT NULL,
    hash bytea NOT NULL,
    raised_at bigint NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (merchant_id, epoch)
);

CREATE TRIGGER append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON events.epochs
FOR EACH STATEMENT EXECUTE FUNCTION events.refuse_change();

ALTER TABLE events.epochs ENABLE ALWAYS TRIGGER append_only;

GRANT SELECT ON events.epochs TO customers_app, customers_verifier;
