-- Billing: the inbox of charge and invoice events, the state that they amount to, and the totals of customers;
-- and what any projection has parked. Times are microseconds since 1970-01-01 UTC.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- Every charge and invoice event, once, as it arrived. Only linked ones count: unlinked ones name no customer,
-- unknown ones have a type or a status that means nothing here.
CREATE TABLE projections.billing_events (
    merchant_id text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    identity text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('charge', 'invoice', 'other')),
    event text COLLATE "C" NOT NULL,
    occurred_at bigint NOT NULL,
    standing text COLLATE "C" NOT NULL CHECK (standing IN ('linked', 'unlinked', 'unknown')),
    object_id text COLLATE "C",
    customer_id text COLLATE "C",
    status text COLLATE "C",
    amount numeric,
    currency text COLLATE "C",
    sequence bigint NOT NULL,
    received_at bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (merchant_id, stream, identity)
);

-- A charge as of its decisive event: the greatest (rank, occurred_at, identity, stream) of all, whatever their
-- order. spent is what it adds to its customer's total.
CREATE TABLE projections.charges (
    merchant_id text COLLATE "C" NOT NULL,
    charge_id text COLLATE "C" NOT NULL,
    rank smallint NOT NULL,
    occurred_at bigint NOT NULL,
    identity text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    amount numeric NOT NULL,
    currency text COLLATE "C" NOT NULL,
    spent numeric NOT NULL,
    PRIMARY KEY (merchant_id, charge_id)
) WITH (fillfactor = 80);

-- An invoice likewise. It counts unless its status is deleted.
CREATE TABLE projections.invoices (
    merchant_id text COLLATE "C" NOT NULL,
    invoice_id text COLLATE "C" NOT NULL,
    rank smallint NOT NULL,
    occurred_at bigint NOT NULL,
    identity text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_id, invoice_id)
) WITH (fillfactor = 80);

-- Of any customer id that a charge or an invoice has named, whether there is such a customer yet or not.
CREATE TABLE projections.customer_stats (
    merchant_id text COLLATE "C" NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    invoice_count bigint NOT NULL,
    charge_count bigint NOT NULL,
    total_spent numeric NOT NULL,
    PRIMARY KEY (merchant_id, customer_id)
) WITH (fillfactor = 70);

-- What could not be applied: a message, or a whole customer (then stream, subject and body are empty). digest
-- tells one from another. headers are JSON in ASCII, as text: they may hold what jsonb refuses.
CREATE TABLE projections.parked (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    projection text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    subject text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    headers text NOT NULL,
    body bytea NOT NULL,
    merchant_id text COLLATE "C",
    customer_id text COLLATE "C",
    reason text NOT NULL,
    attempts bigint NOT NULL,
    parked_at bigint NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'parked' CHECK (status IN ('parked', 'skipped')),
    CONSTRAINT parked_once UNIQUE (projection, stream, digest)
);

-- The inbox is append-only: it is what stats can be recounted from.
GRANT SELECT, INSERT ON projections.billing_events TO customers_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON projections.charges TO customers_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON projections.invoices TO customers_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON projections.customer_stats TO customers_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON projections.parked TO customers_app;
