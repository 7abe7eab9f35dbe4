"""The read model of customers against a fold of the store (I5 of the fault matrix)."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import asyncpg

from events.master_keys import MasterKeys
from projections.customers import CustomerRow, fold_row

HISTORIES = """
SELECT e.originator_id AS customer_id, e.*, k.wrapped_key, k.master_version
FROM events.customer_events AS e
LEFT JOIN events.customer_keys AS k ON k.merchant_id = e.merchant_id AND k.customer_id = e.originator_id
ORDER BY e.merchant_id, e.originator_id, e.originator_version
"""
ROWS = """
SELECT merchant_id, customer_id, version, created_at, updated_at, deleted, body FROM projections.customers
"""


async def read_model(url: str) -> dict[tuple[str, str], CustomerRow]:
    """The rows as they are."""
    connection = await asyncpg.connect(url)
    try:
        return {(row[0], row[1]): CustomerRow(*row[1:]) for row in await connection.fetch(ROWS)}
    finally:
        await connection.close()


async def folded(url: str, master_keys: MasterKeys) -> dict[tuple[str, str], CustomerRow]:
    """The rows as they should be."""
    connection = await asyncpg.connect(url)
    try:
        histories = await connection.fetch(HISTORIES)
    finally:
        await connection.close()
    rows: dict[tuple[str, str], CustomerRow] = {}
    for key, events in groupby(histories, lambda event: (event["merchant_id"], event["customer_id"])):
        row = fold_row(key[0], None, list[Any](events), master_keys)
        assert row is not None
        rows[key] = row
    return rows


async def check_read_model(url: str, master_keys: MasterKeys) -> int:
    """Assert that every customer's row is what its events amount to; how many there are."""
    expected = await folded(url, master_keys)
    assert await read_model(url) == expected
    return len(expected)
