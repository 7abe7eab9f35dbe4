"""The service's own statements (merchants, API keys), by name. Their text is in `sql/queries.sql`."""

from __future__ import annotations

from pathlib import Path

from events.statements import read_statements

_STATEMENTS = read_statements(Path(__file__).parent / "sql" / "queries.sql")

CREATE_MERCHANT = _STATEMENTS["create_merchant"]
LIST_MERCHANTS = _STATEMENTS["list_merchants"]
DEACTIVATE_MERCHANT = _STATEMENTS["deactivate_merchant"]
FIND_MERCHANT = _STATEMENTS["find_merchant"]
CREATE_KEY = _STATEMENTS["create_key"]
LIST_KEYS = _STATEMENTS["list_keys"]
LIMIT_KEY = _STATEMENTS["limit_key"]
REVOKE_KEY = _STATEMENTS["revoke_key"]
FIND_KEY = _STATEMENTS["find_key"]
KEY_NAMES = _STATEMENTS["key_names"]
READY = _STATEMENTS["ready"]
BEGIN_EPOCHS = _STATEMENTS["begin_epochs"]
