-- What proves a ledger: checkpoints, the Merkle nodes that inclusion proofs are made of, and a role that may
-- look at ledgers and do nothing else.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

DO $$
BEGIN
    CREATE ROLE customers_verifier NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL; -- roles belong to the whole cluster
END
$$;

-- Signed statements of what a ledger is up to a position. frontier: the complete subtrees of the Merkle tree
-- there, 32 bytes each, the largest first; the next checkpoint goes on from it.
CREATE TABLE events.checkpoints (
    merchant_id text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    position bigint NOT NULL,
    recorded_at bigint NOT NULL,
    hash bytea NOT NULL,
    merkle_root bytea NOT NULL,
    frontier bytea NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL,
    PRIMARY KEY (merchant_id, epoch, position)
);

-- Complete subtrees of 256 leaves and more: node `index` of a level covers the leaves from index * 2^level on.
CREATE TABLE events.merkle_nodes (
    merchant_id text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    level smallint NOT NULL,
    index bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (merchant_id, epoch, level, index)
);

CREATE TRIGGER append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON events.checkpoints
FOR EACH STATEMENT EXECUTE FUNCTION events.refuse_change();

ALTER TABLE events.checkpoints ENABLE ALWAYS TRIGGER append_only;

CREATE TRIGGER append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON events.merkle_nodes
FOR EACH STATEMENT EXECUTE FUNCTION events.refuse_change();

ALTER TABLE events.merkle_nodes ENABLE ALWAYS TRIGGER append_only;

GRANT SELECT, INSERT ON events.checkpoints, events.merkle_nodes TO customers_app;

GRANT USAGE ON SCHEMA events TO customers_verifier;

GRANT SELECT (id, position, hash, recorded_at, epoch) ON events.merchants TO customers_verifier;

GRANT SELECT (
    merchant_id, position, recorded_at, originator_id, originator_version, topic, metadata, state, hash
) ON events.customer_events TO customers_verifier;

GRANT SELECT ON events.checkpoints, events.merkle_nodes TO customers_verifier;
