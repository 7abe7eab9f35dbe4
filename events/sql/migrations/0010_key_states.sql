-- Whether a customer's data key is there or was destroyed, for the role that verifies: it never sees a key.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE VIEW events.customer_key_states AS
SELECT k.merchant_id, k.customer_id, k.wrapped_key IS NULL AS destroyed
FROM events.customer_keys AS k;

GRANT SELECT ON events.customer_key_states TO customers_app, customers_verifier;
