"""The projections' statements, by name. Their text is in `sql/queries.sql`."""

from __future__ import annotations

from pathlib import Path

from events.statements import read_statements

SQL = Path(__file__).parent / "sql"

_STATEMENTS = read_statements(SQL / "queries.sql")

READ_CUSTOMERS = _STATEMENTS["read_customers"]
LIST_OLDER = _STATEMENTS["list_older"]
LIST_NEWER = _STATEMENTS["list_newer"]
CREATION_OF = _STATEMENTS["creation_of"]
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
