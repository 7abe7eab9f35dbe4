"""The projections' statements, by name. Their text is in `sql/`."""

from __future__ import annotations

from pathlib import Path

from events.statements import read_statements

SQL = Path(__file__).parent / "sql"

_STATEMENTS = read_statements(SQL / "queries.sql")

READ_CUSTOMERS = _STATEMENTS["read_customers"]
PLACES_OF = _STATEMENTS["places_of"]
MERCHANTS_BEHIND = _STATEMENTS["merchants_behind"]
BEGIN_PROGRESS = _STATEMENTS["begin_progress"]
LOCK_PROGRESS = _STATEMENTS["lock_progress"]
MOVE_PROGRESS = _STATEMENTS["move_progress"]
NEXT_EVENTS = _STATEMENTS["next_events"]
ROWS_OF = _STATEMENTS["rows_of"]
PUT_ROWS = _STATEMENTS["put_rows"]
PUT_MESSAGES = _STATEMENTS["put_messages"]
HASHES_AT = _STATEMENTS["hashes_at"]
EVENTS_OF = _STATEMENTS["events_of"]
ROWS_BETWEEN = _STATEMENTS["rows_between"]

_LISTS = read_statements(SQL / "lists.sql")

PAGE_OLDER = _LISTS["page_older"]
PAGE_NEWER = _LISTS["page_newer"]
EDGE_OLDER = _LISTS["edge_older"]
EDGE_NEWER = _LISTS["edge_newer"]
SEARCH = _LISTS["search"]
COUNT = _LISTS["count"]

_BILLING = read_statements(SQL / "billing.sql")

CURRENCIES_OF = _BILLING["currencies_of"]
OWNERS_OF = _BILLING["owners_of"]
TAKE_IN = _BILLING["take_in"]
FINGERPRINTS_OF = _BILLING["fingerprints_of"]
PUT_STATES = _BILLING["put_states"]
STATS_OF = _BILLING["stats_of"]

_PARKING = read_statements(SQL / "parking.sql")

PARK = _PARKING["park"]
PARKED_CUSTOMERS = _PARKING["parked_customers"]
LIST_PARKED = _PARKING["list_parked"]
FIND_PARKED = _PARKING["find_parked"]
RELEASE_PARKED = _PARKING["release_parked"]
RENEW_PARKED = _PARKING["renew_parked"]
SKIP_PARKED = _PARKING["skip_parked"]
FORGET_PARKED = _PARKING["forget_parked"]

_REBUILD = read_statements(SQL / "rebuild.sql")

TRY_REBUILD_LOCK = _REBUILD["try_rebuild_lock"]
BEGIN_REBUILD = _REBUILD["begin_rebuild"]
MAKE_SHADOW = _REBUILD["make_shadow"]
INDEX_SHADOW = _REBUILD["index_shadow"]
WAIT_BRIEFLY = _REBUILD["wait_briefly"]
KEEP_VACUUM_AWAY = _REBUILD["keep_vacuum_away"]
LOCK_LIVE = _REBUILD["lock_live"]
SWAP_SHADOWS = _REBUILD["swap_shadows"]
DROP_ABANDONED_SHADOWS = _REBUILD["drop_abandoned_shadows"]
DROP_SHADOWS = _REBUILD["drop_shadows"]
FORGET_PROGRESS = _REBUILD["forget_progress"]
BEGIN_AT_HEADS = _REBUILD["begin_at_heads"]
STRETCH_END = _REBUILD["stretch_end"]
LOCK_ALL_PROGRESS = _REBUILD["lock_all_progress"]
TAKE_OVER_PROGRESS = _REBUILD["take_over_progress"]
NOTE_ARRIVALS = _REBUILD["note_arrivals"]
INBOX_PAGE = _REBUILD["inbox_page"]
TAKE_ARRIVED = _REBUILD["take_arrived"]
LOCK_INBOX = _REBUILD["lock_inbox"]
INBOX_SIZE = _REBUILD["inbox_size"]
