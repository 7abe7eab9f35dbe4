"""What a failing statement says: its name and the kind of trouble, never a value that it was given."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from events.database import Connection, Database
from events.errors import StatementFailed
from events.statements import Statement

CANARY = "jane.doe@example.org"


@pytest_asyncio.fixture
async def asked(database_url: str) -> AsyncIterator[Database]:
    async with Database.connect(database_url) as connected:
        yield connected


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("SELECT $1::text", CANARY + "\ud800"),  # refused before it is sent
        ("SELECT $1::text", CANARY + "\0"),
        ("SELECT $1::int", CANARY),
        ("SELECT ($1::text)::int", CANARY),
        ("SELECT ($1::text)::json", CANARY),
        ("SELECT ($1::text)::timestamptz", CANARY),
    ],
    ids=["lone surrogate", "NUL", "wrong type", "no number", "no JSON", "no time"],
)
async def test_the_value_at_fault_is_not_in_the_message(asked: Database, text: str, argument: str) -> None:
    with pytest.raises(StatementFailed) as failed:
        await asked.fetch(Statement("look_up", text), argument)
    assert str(failed.value).startswith("look_up: ")
    assert "jane" not in str(failed.value)


async def test_a_statement_that_fails_leaves_a_kept_connection_in_use(database_url: str) -> None:
    connection = Connection(database_url)
    try:
        pid = Statement("pid", "SELECT pg_backend_pid()")
        before = await connection.fetch(pid)
        with pytest.raises(StatementFailed):
            await connection.fetch(Statement("wrong", "SELECT 1 / 0"))
        assert await connection.fetch(pid) == before
    finally:
        await connection.close()
