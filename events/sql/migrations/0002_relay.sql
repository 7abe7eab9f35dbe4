-- What the relay remembers of the stream that it fills.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- stream_created tells one stream from another of the same name; last_sequence and last_id are those of its end
-- as it was last seen. Empty until the first stream was filled.
CREATE TABLE events.relay_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    stream_created text NOT NULL DEFAULT '',
    last_sequence bigint NOT NULL DEFAULT 0,
    last_id text NOT NULL DEFAULT ''
);

INSERT INTO events.relay_state DEFAULT VALUES;

GRANT SELECT ON events.relay_state TO customers_app;
