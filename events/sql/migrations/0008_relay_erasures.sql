-- The relay remembers which erasures it has seen to be done in the stream: up to this notification id.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE events.relay_state ADD COLUMN erasures_cleaned bigint NOT NULL DEFAULT 0;

-- The erasures in their order. Within the migration's transaction, since no table of events is large yet.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX customer_events_erasures ON events.customer_events (notification_id)
WHERE topic = 'CustomerErased';
