-- Erasure destroys a customer's data key and leaves the key's row as the mark of it: a row without a key.
-- Alone in its transaction, since it locks everybody out, if only for a moment.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- Releases that read the column as never null knew no erasure.
-- squawk-ignore ban-drop-not-null
ALTER TABLE events.customer_keys ALTER COLUMN wrapped_key DROP NOT NULL;
