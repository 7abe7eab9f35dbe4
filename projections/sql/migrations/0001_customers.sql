-- The customers read model, and how far each projection has come in each merchant's ledger.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE SCHEMA IF NOT EXISTS projections;

-- hash is the ledger's at this position: an event is applied only if it follows it.
CREATE TABLE projections.progress (
    projection text COLLATE "C" NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    hash bytea NOT NULL,
    epoch bigint NOT NULL,
    PRIMARY KEY (projection, merchant_id)
) WITH (fillfactor = 20);

-- One row a customer, tombstones too; body is the response as JSON, so that a GET encodes nothing.
CREATE TABLE projections.customers (
    merchant_id text COLLATE "C" NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    deleted boolean NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (merchant_id, customer_id)
);

CREATE INDEX customers_by_creation ON projections.customers (merchant_id, created_at, customer_id)
WHERE NOT deleted;

GRANT USAGE ON SCHEMA projections TO customers_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA projections TO customers_app;
