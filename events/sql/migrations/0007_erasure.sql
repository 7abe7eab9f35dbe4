-- Erasure destroys a customer's data key and leaves the key's row as the mark of it: a row without a key.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- Releases that read the column as never null knew no erasure.
-- squawk-ignore ban-drop-not-null
ALTER TABLE events.customer_keys ALTER COLUMN wrapped_key DROP NOT NULL;

-- Which customers are erased, for the list of erasures and for the relay. Within the migration's transaction, since
-- no table of keys is large yet.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX customer_keys_erased ON events.customer_keys (merchant_id, customer_id)
WHERE wrapped_key IS NULL;
