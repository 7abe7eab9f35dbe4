-- How much an API key may ask of each process, in requests a second; 0: as much as it likes, as keys could so far.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE events.api_keys
ADD COLUMN rate_limit integer NOT NULL DEFAULT 0 CHECK (rate_limit >= 0);

ALTER TABLE events.api_keys
ALTER COLUMN rate_limit SET DEFAULT 500;
