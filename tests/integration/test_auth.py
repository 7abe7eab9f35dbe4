"""Who a key stands for, asked of a real database, with a clock that stands still until it is moved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from events.database import Database, Row
from events.master_keys import MasterKeys
from events.statements import Statement
from service.api_keys import ApiKey, create_key, limit_key, revoke_key
from service.auth import REMEMBERED_SECONDS, Authenticator, Caller
from service.errors import Forbidden, MerchantInactive, Unauthorized
from service.http.client_address import parse_address
from service.http.rate_limit import DEFAULT_RATE
from service.key_format import make_key
from service.merchants import create_merchant, deactivate_merchant
from service.queries import FIND_KEY
from tests.support.cases import MERCHANT
from tests.support.databases import TestDatabase

MASTER_KEYS = MasterKeys({1: bytes(range(32))})
SOME_ADDRESS = "192.0.2.1"


class WatchedDatabase(Database):
    """A database that remembers the names of the statements it ran."""

    ran: list[str]

    async def fetch(self, statement: Statement, *arguments: Any) -> list[Row]:
        self.ran = [*getattr(self, "ran", []), statement.name]
        return await super().fetch(statement, *arguments)


class Door:
    """An authenticator, the clock it looks at, and an operator who changes what it finds."""

    def __init__(self, database: WatchedDatabase, operator: Database) -> None:
        self.seconds = 1000.0
        self.operator = operator
        self.authenticator = Authenticator(database, MASTER_KEYS, lambda: self.seconds)
        self._database = database

    @property
    def queries(self) -> int:
        """How often the database was asked for a key."""
        return getattr(self._database, "ran", []).count(FIND_KEY.name)

    async def new_key(self, *cidrs: str, scopes: frozenset[str] = frozenset({"read"})) -> tuple[ApiKey, str]:
        made = await create_key(
            self.operator,
            MASTER_KEYS,
            merchant_id=MERCHANT,
            name="test",
            scopes=scopes,
            allowed_cidrs=list(cidrs),
        )
        assert made is not None
        return made

    async def opens(self, text: str, address: str | None = SOME_ADDRESS, scope: str = "read") -> str:
        """The merchant that the key opens the door to."""
        caller = await self.enter(text, address)
        caller.require(scope)
        return caller.merchant_id

    async def enter(self, text: str, address: str | None = SOME_ADDRESS) -> Caller:
        """Whom the key stands for, whatever that may do."""
        return await self.authenticator.authenticate(text, lambda: parse_address(address or ""))


@pytest_asyncio.fixture
async def door(database: TestDatabase) -> AsyncIterator[Door]:
    async with (
        WatchedDatabase.connect(database.url) as watched,
        Database.connect(database.admin_url) as operator,
    ):
        assert isinstance(watched, WatchedDatabase)
        made = await create_merchant(operator, merchant_id=MERCHANT, live=False, currency="USDC")
        assert made is not None
        yield Door(watched, operator)


async def test_a_key_opens_the_door_to_its_own_merchant(door: Door) -> None:
    key, text = await door.new_key(scopes=frozenset({"write", "read"}))
    caller = await door.enter(text)
    assert (caller.key_id, caller.merchant_id, caller.active) == (key.id, MERCHANT, True)
    assert caller.scopes == {"read", "write"}


async def test_a_key_is_remembered_and_asked_for_again_only_after_the_remembered_time(door: Door) -> None:
    _, text = await door.new_key()
    await door.opens(text)
    door.seconds += REMEMBERED_SECONDS
    await door.opens(text)
    assert door.queries == 1
    door.seconds += 0.001
    await door.opens(text)
    assert door.queries == 2


async def test_a_revoked_key_is_refused_once_the_remembered_time_is_over(door: Door) -> None:
    key, text = await door.new_key()
    await door.opens(text)
    assert await revoke_key(door.operator, key.id)
    door.seconds += REMEMBERED_SECONDS + 0.001
    with pytest.raises(Unauthorized):
        await door.opens(text)


async def test_a_deactivated_merchant_is_refused_once_the_remembered_time_is_over(door: Door) -> None:
    _, text = await door.new_key()
    await door.opens(text)
    assert await deactivate_merchant(door.operator, MERCHANT)
    door.seconds += REMEMBERED_SECONDS + 0.001
    with pytest.raises(MerchantInactive):
        await door.opens(text)


async def test_a_changed_rate_limit_works_once_the_remembered_time_is_over(door: Door) -> None:
    key, text = await door.new_key()
    assert (await door.enter(text)).rate_limit == DEFAULT_RATE
    assert await limit_key(door.operator, key.id, 7)
    door.seconds += REMEMBERED_SECONDS + 0.001
    assert (await door.enter(text)).rate_limit == 7


async def test_many_first_uses_at_once_make_one_query(door: Door) -> None:
    _, text = await door.new_key()
    merchants = await asyncio.gather(*(door.opens(text) for _ in range(100)))
    assert set(merchants) == {MERCHANT}
    assert door.queries == 1


async def test_many_uses_of_a_wrong_key_at_once_make_one_query_and_are_all_refused(door: Door) -> None:
    key, _ = await door.new_key()
    wrong = make_key(False, key.id, bytes(32))
    answers = await asyncio.gather(*(door.opens(wrong) for _ in range(100)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unauthorized}
    assert door.queries == 1


async def test_a_refusal_is_not_remembered(door: Door) -> None:
    key, text = await door.new_key()
    with pytest.raises(Unauthorized):
        await door.opens(make_key(False, key.id, bytes(32)))
    assert await door.opens(text) == MERCHANT


async def test_one_asker_that_goes_away_does_not_end_the_question_of_the_others(door: Door) -> None:
    _, text = await door.new_key()
    askers = [asyncio.create_task(door.opens(text)) for _ in range(3)]
    await asyncio.sleep(0)  # each has asked now, and waits
    askers[0].cancel()
    answers = await asyncio.gather(*askers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [MERCHANT, MERCHANT]
    assert door.queries == 1


@pytest.mark.parametrize("text", ["", "sk_test_", "nonsense", "\udcff", "sk_test_" + "0" * 75])
async def test_what_cannot_be_a_key_is_refused_without_asking_the_database(door: Door, text: str) -> None:
    with pytest.raises(Unauthorized):
        await door.opens(text)
    assert door.queries == 0


async def test_a_live_spelling_of_a_test_key_is_refused(door: Door) -> None:
    key, _ = await door.new_key()
    with pytest.raises(Unauthorized):
        await door.opens(make_key(True, key.id, bytes(32)))
    assert door.queries == 1


async def test_a_scope_that_the_key_lacks_is_forbidden_by_its_name(door: Door) -> None:
    _, text = await door.new_key()
    with pytest.raises(Forbidden, match='"write"'):
        await door.opens(text, scope="write")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("192.0.2.200", True),
        ("::ffff:192.0.2.200", True),
        ("192.0.3.1", False),
        ("::ffff:192.0.3.1", False),
        ("2001:db8::7", True),
        ("2001:db8::7%eth0", True),
        ("2001:db9::7", False),
        (None, False),
    ],
)
async def test_a_key_with_networks_works_from_these_only(
    door: Door, address: str | None, allowed: bool
) -> None:
    _, text = await door.new_key("192.0.2.0/24", "2001:db8::/32")
    if allowed:
        assert await door.opens(text, address) == MERCHANT
        return
    with pytest.raises(Unauthorized):
        await door.opens(text, address)


async def test_no_secret_stays_in_memory(door: Door) -> None:
    _, text = await door.new_key()
    await door.opens(text)
    kept = repr(vars(door.authenticator)).encode()
    assert text.encode() not in kept
    assert text[24:76].encode() not in kept
