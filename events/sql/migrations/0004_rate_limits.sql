-- How much an API key may ask of each process, in requests a second; 0: as much as it likes.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE events.api_keys
ADD COLUMN rate_limit integer NOT NULL DEFAULT 500 CHECK (rate_limit >= 0);
