"""Authentication while something changes: the database is gone, the master key is new, an asker leaves."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from events.database import Database
from events.errors import StoreUnavailable
from events.master_keys import MasterKeys
from service.api_keys import create_key, revoke_key
from service.auth import REMEMBERED_SECONDS, Authenticator
from service.errors import Unauthorized
from service.key_format import KEY_ID_PREFIX, make_key, parse_key_text
from service.merchants import create_merchant
from tests.support.cases import MERCHANT
from tests.support.databases import TestDatabase, run_sql

REVOCATION_SECONDS = 30.0  # what the contract allows
OLD = {1: bytes(range(32))}
NEW = {2: bytes(range(32, 64))}
NEVER_MADE = make_key(live=False, key_id=KEY_ID_PREFIX + "0" * 16, random=bytes(32))


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture
async def operator(database: TestDatabase) -> AsyncIterator[Database]:
    async with Database.connect(database.admin_url) as connected:
        await create_merchant(connected, merchant_id=MERCHANT, live=False, currency="USDC")
        yield connected


@pytest_asyncio.fixture
async def asked(database: TestDatabase) -> AsyncIterator[Database]:
    """The database as the authenticator sees it."""
    async with Database.connect(database.url) as connected:
        yield connected


async def new_key(operator: Database, keys: dict[int, bytes]) -> tuple[str, str]:
    """The id and the text of a new key, made under these master keys."""
    made = await create_key(
        operator,
        MasterKeys(keys),
        merchant_id=MERCHANT,
        name="test",
        scopes=frozenset({"read"}),
        allowed_cidrs=[],
    )
    assert made is not None
    return made[0].id, made[1]


async def enter(door: Authenticator, text: str) -> str:
    return (await door.authenticate(text, lambda: None)).merchant_id


@asynccontextmanager
async def gone(database: TestDatabase) -> AsyncIterator[None]:
    """The database takes no connections and has none, for a block."""
    server = database.admin_url.replace(database.name, "postgres")
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'"
    await run_sql(server, f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false", end)
    try:
        yield
    finally:
        await run_sql(server, f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")


async def test_a_remembered_key_outlives_the_database_for_a_moment_and_an_unknown_one_is_told(
    operator: Database, asked: Database, database: TestDatabase
) -> None:
    door = Authenticator(asked, MasterKeys(OLD), Clock())
    (_, known), (_, unknown) = await new_key(operator, OLD), await new_key(operator, OLD)
    await enter(door, known)
    async with gone(database):
        assert await enter(door, known) == MERCHANT
        with pytest.raises(StoreUnavailable):
            await enter(door, unknown)
    assert await enter(door, unknown) == MERCHANT


async def test_a_key_from_before_a_rotation_of_the_master_key_still_works(
    operator: Database, asked: Database
) -> None:
    door = Authenticator(asked, MasterKeys(OLD | NEW), Clock())
    for keys in (OLD, OLD | NEW):
        _, text = await new_key(operator, keys)
        assert await enter(door, text) == MERCHANT


async def test_using_a_revoked_key_does_not_prolong_its_life(operator: Database, asked: Database) -> None:
    clock = Clock()
    door = Authenticator(asked, MasterKeys(OLD), clock)
    key_id, text = await new_key(operator, OLD)
    await enter(door, text)
    await revoke_key(operator, key_id)
    for _ in range(4):
        clock.now += REMEMBERED_SECONDS / 4
        await enter(door, text)
    clock.now += 0.001
    with pytest.raises(Unauthorized):
        await enter(door, text)


def test_a_key_is_remembered_for_less_than_a_revocation_may_take() -> None:
    assert REMEMBERED_SECONDS < REVOCATION_SECONDS


async def test_one_refused_after_it_has_gone_leaves_no_complaint_behind(asked: Database) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    door = Authenticator(asked, MasterKeys(OLD), Clock())
    asking = asyncio.create_task(enter(door, NEVER_MADE))
    await asyncio.sleep(0)  # it has asked now
    verifying = list(door._asked.values())
    assert len(verifying) == 1
    asking.cancel()
    await asyncio.wait([asking, *verifying])  # looks at nobody's outcome
    del verifying
    gc.collect()
    assert complaints == []


async def test_only_an_hmac_of_the_secret_is_stored(operator: Database, database: TestDatabase) -> None:
    _, text = await new_key(operator, OLD)
    parsed = parse_key_text(text)
    assert parsed is not None
    async with operator._pool.acquire() as raw:
        row = await raw.fetchrow("SELECT k::text AS shown, k.secret_hmac FROM events.api_keys AS k")
    assert row is not None
    assert text.removeprefix("sk_test_")[16:68] not in row["shown"]
    assert parsed.secret.hex() not in row["shown"]
    assert len(row["secret_hmac"]) == 32
