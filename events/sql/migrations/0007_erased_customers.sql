-- Which customers are erased: those whose key's row has no key, which 0009 permits.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- For the list of erasures and for the relay. Not concurrently, since a migration is a transaction: nobody waits
-- but who creates a customer, for as long as the keys are read once. No row is in it yet.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX customer_keys_erased ON events.customer_keys (merchant_id, customer_id)
WHERE wrapped_key IS NULL;
