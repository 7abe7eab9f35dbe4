-- Search: the customers read model with the terms that filters of lists look for, and an index for each way through
-- a list.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- The rows that are there lack terms, which only their customers' values give: they are made again. The projection
-- starts anew and the sweep reads every event; meanwhile lists are behind, and reads of one customer are right, since
-- they fold what the table lacks.
DELETE FROM projections.progress WHERE projection = 'customers';

-- squawk-ignore ban-drop-table
DROP TABLE projections.customers;

-- One row a customer, tombstones too; body is the response as JSON, so that a GET encodes nothing. terms and
-- words have no default: a worker of an older release must fail here, not write rows that no filter finds.
CREATE TABLE projections.customers (
    merchant_id text COLLATE "C" NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    deleted boolean NOT NULL,
    body bytea NOT NULL,
    terms tsvector NOT NULL,
    words text COLLATE "C" NOT NULL,
    PRIMARY KEY (merchant_id, customer_id)
);

-- Every query says whether deleted is true, so each of these is two indexes: of the living and of tombstones.
CREATE INDEX customers_by_creation ON projections.customers (merchant_id, deleted, created_at);

-- created_at is there so that what lies beyond a cursor is passed over within the index.
CREATE INDEX customers_by_update ON projections.customers (merchant_id, deleted, updated_at, created_at);

-- New terms wait in a list, which every search reads as a whole, until it has 256 kB. Entered one by one, they would
-- double what a row costs; a list of the usual 4 MB would cost every search some milliseconds.
CREATE INDEX customers_by_terms ON projections.customers USING gin (terms)
WITH (fastupdate = on, gin_pending_list_limit = 256);

GRANT SELECT, INSERT, UPDATE, DELETE ON projections.customers TO customers_app;
