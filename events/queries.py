"""The statements of store, relay, feed and proofs, by name. Their text is in `sql/*.sql`."""

from __future__ import annotations

from pathlib import Path

from events.statements import read_statements

SQL = Path(__file__).parent / "sql"

_STATEMENTS = (
    read_statements(SQL / "queries.sql")
    | read_statements(SQL / "relay.sql")
    | read_statements(SQL / "proof.sql")
    | read_statements(SQL / "feed.sql")
)

APPEND = _STATEMENTS["append"]
LOCK_HASTILY = _STATEMENTS["lock_hastily"]
LOCK_PATIENTLY = _STATEMENTS["lock_patiently"]
LOAD_CUSTOMERS = _STATEMENTS["load_customers"]
SAVE_SNAPSHOT = _STATEMENTS["save_snapshot"]
HISTORY_OLDER = _STATEMENTS["history_older"]
HISTORY_NEWER = _STATEMENTS["history_newer"]
CREATION_OF = _STATEMENTS["creation_of"]
VERSION_AT = _STATEMENTS["version_at"]
REPLAY_PAGE = _STATEMENTS["replay_page"]
DROP_OLD_IDEMPOTENCY_KEYS = _STATEMENTS["drop_old_idempotency_keys"]
MASTER_KEY_CHECKS = _STATEMENTS["master_key_checks"]
ADD_MASTER_KEY_CHECK = _STATEMENTS["add_master_key_check"]
LAST_EVENT_OF = _STATEMENTS["last_event_of"]
REMAINS_OF = _STATEMENTS["remains_of"]
ERASURES_PAGE = _STATEMENTS["erasures_page"]
ARE_ERASED = _STATEMENTS["are_erased"]
WRAPPED_KEYS_PAGE = _STATEMENTS["wrapped_keys_page"]
ESTIMATE_DATA_KEYS = _STATEMENTS["estimate_data_keys"]
REWRAP = _STATEMENTS["rewrap"]
API_KEYS_BY_VERSION = _STATEMENTS["api_keys_by_version"]

TRY_RELAY_LOCK = _STATEMENTS["try_relay_lock"]
OUTBOX_PAGE = _STATEMENTS["outbox_page"]
ERASED_AMONG = _STATEMENTS["erased_among"]
DROP_FROM_OUTBOX = _STATEMENTS["drop_from_outbox"]
MARK_PUBLISHED = _STATEMENTS["mark_published"]
RELAY_STATE = _STATEMENTS["relay_state"]
ERASURES_AFTER = _STATEMENTS["erasures_after"]
NOTE_CLEANED = _STATEMENTS["note_cleaned"]
FOLLOW_STREAM = _STATEMENTS["follow_stream"]
PUT_BACK_AFTER = _STATEMENTS["put_back_after"]
MARK_PUBLISHED_UNTIL = _STATEMENTS["mark_published_until"]
MERCHANTS_PAGE = _STATEMENTS["merchants_page"]
LEDGER_HAS = _STATEMENTS["ledger_has"]
RAISE_EPOCHS = _STATEMENTS["raise_epochs"]
RECORDED_UNTIL = _STATEMENTS["recorded_until"]

NEXT_LEDGER = _STATEMENTS["next_ledger"]
LEDGER_ENDS = _STATEMENTS["ledger_ends"]
LEDGER_RANGE = _STATEMENTS["ledger_range"]
COUNT_EVENTS = _STATEMENTS["count_events"]
MOVED_LEDGERS = _STATEMENTS["moved_ledgers"]
LAST_CHECKPOINT = _STATEMENTS["last_checkpoint"]
STORED_CHECKPOINTS = _STATEMENTS["stored_checkpoints"]
CHECKPOINT_AT = _STATEMENTS["checkpoint_at"]
ADD_CHECKPOINT = _STATEMENTS["add_checkpoint"]
ADD_MERKLE_NODES = _STATEMENTS["add_merkle_nodes"]
MERKLE_NODES = _STATEMENTS["merkle_nodes"]
WRONG_KEY = _STATEMENTS["wrong_key"]
HISTORY = _STATEMENTS["history"]
MERCHANTS_OF = _STATEMENTS["merchants_of"]
LAST_AND_KEY = _STATEMENTS["last_and_key"]

FEED_PAGE = _STATEMENTS["feed_page"]
FEED_HEADS = _STATEMENTS["feed_heads"]
