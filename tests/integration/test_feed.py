"""The feed against the store, and against what the relay publishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import orjson
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.database import Row
from events.feed import LOOKED_THROUGH, STATE_BYTES, Feed, Head, Item
from events.heads import Heads
from events.queries import ERASED_AMONG, FEED_PAGE
from events.statements import Statement
from events.wire.message import subject_of
from tests.support.cases import ACME, JOHN
from tests.support.databases import TestDatabase
from tests.support.relaying import Relaying, own_nats
from tests.support.serve import comes_about
from tests.support.store import C1, C2, M1, M2, Store, customer_id, make_merchants, merchant_id

PEOPLE = 3
MERCHANTS = count(100)


@pytest_asyncio.fixture
async def relaying(store: Store) -> AsyncIterator[Relaying]:
    with own_nats() as server:
        yield Relaying(store, server)


def feed_of(store: Store) -> Feed:
    return Feed(store.database, store.master_keys)


async def all_items(feed: Feed, merchant: str = M1, limit: int = 1000, **wanted: Any) -> list[Item]:
    """Every item, page by page."""
    found: list[Item] = []
    page = await feed.page(merchant, 0, limit, **wanted)
    found += page.items
    while page.has_more:
        before = page.reached
        page = await feed.page(merchant, before, limit, **wanted)
        assert page.reached > before
        found += page.items
    return found


Step = tuple[str, int, str]
"""What is done to which of the people, with which text."""

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["update", "update", "move", "clear", "delete", "erase"]),
        st.integers(0, PEOPLE - 1),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20),
    ),
    max_size=12,
)


async def do(store: Store, merchant: str, step: Step) -> None:
    """What the step says, where it can be done."""
    kind, person, text = step
    customer = customer_id(person)
    loaded = (await store.load(customer, merchant)).customer
    if loaded is None:
        email = f"p{person}@example.com"
        await store.create(customer, (ACME if len(text) % 2 else JOHN) | {"email": email}, merchant)
    elif kind == "erase" and not loaded.erased:
        await store.erase(customer, merchant)
    elif kind == "delete" and not loaded.deleted:
        await store.delete(customer, merchant)
    elif not loaded.deleted:
        changes: dict[str, dict[str, Any]] = {
            "move": {"email": f"p{person}.{loaded.version}@example.com"},
            "clear": {"phone": None, "address": None, "metadata": None},
        }
        await store.update(
            customer, merchant, **changes.get(kind, {"name": text, "metadata": {"text": text}})
        )


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, limit=st.integers(1, 5))
async def test_for_any_sequence_of_commands_it_is_what_the_relay_published(
    relaying: Relaying, steps: list[Step], limit: int
) -> None:
    store, merchant = relaying.store, merchant_id(next(MERCHANTS))
    await make_merchants(TestDatabase("", store.url, store.admin_url), merchant)
    for step in steps:
        await do(store, merchant, step)
    await relaying.run()
    stream = await relaying.stream()
    own = [one for one in stream if one.subject.startswith(subject_of(merchant, ""))]
    published = {int(one.headers["ce-sequence"]): one.body for one in own}
    items = await all_items(feed_of(store), merchant, limit)
    [head] = await store.select("SELECT position FROM events.merchants WHERE id = $1", merchant)
    assert [item.position for item in items] == list(range(1, head["position"] + 1))
    assert {item.position: item.body for item in items if item.position in published} == published
    stubs = [orjson.loads(item.body) for item in items if item.position not in published]
    assert all(stub["data"].keys() == {"id", "object"} and not stub["previousAttributes"] for stub in stubs)


class Eraser:
    """Reads, and lets something happen just before the last look at who is erased."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.pages = 0

    async def fetch(self, statement: Statement, *arguments: object) -> list[Row]:
        """The rows."""
        if statement is FEED_PAGE:
            self.pages += 1
        if statement is ERASED_AMONG and self.pages == 1:
            await self._store.erase(C1)
        return await self._store.database.fetch(statement, *arguments)


async def test_who_is_erased_while_a_page_is_made_does_not_leave(store: Store) -> None:
    await store.create(C1, JOHN)
    await store.update(C1, name="Somebody Else")
    await store.create(C2, ACME)
    reader = Eraser(store)
    page = await Feed(reader, store.master_keys).page(M1, 0, 10)
    assert reader.pages == 2
    assert [item.name for item in page.items] == [
        "customer.created", "customer.updated", "customer.created", "customer.erased",
    ]  # fmt: skip
    assert not any(b"John" in item.body or b"Somebody" in item.body for item in page.items)
    assert b"Jane" in page.items[2].body


async def test_a_page_ends_where_it_is_told_to(store: Store) -> None:
    await store.create(C1, JOHN)
    for number in range(4):
        await store.update(C1, name=f"Name {number}")
    page = await feed_of(store).page(M1, 1, 10, until=3)
    assert ([item.position for item in page.items], page.reached, page.has_more) == ([2, 3], 3, True)
    assert page.head == Head(5, 1)
    beyond = await feed_of(store).page(M1, 7, 10)
    assert (beyond.items, beyond.reached, beyond.has_more) == ([], 7, False)


async def test_a_page_is_bounded_in_bytes_but_has_one_event_at_least(store: Store) -> None:
    await store.create(C1, JOHN | {"description": "x" * 5000})
    for number in range(4):
        await store.update(C1, phone=str(number))
    page = await feed_of(store).page(M1, 0, 10, most_bytes=100)
    assert [item.position for item in page.items] == [1]
    page = await feed_of(store).page(M1, 1, 10, most_bytes=12_000)  # small changes of a large customer
    assert [item.position for item in page.items] == [2, 3]
    assert len(await all_items(feed_of(store), most_bytes=100)) == 5


async def test_states_are_bounded_before_they_are_read(store: Store) -> None:
    metadata = {f"key{number}": "x" * 500 for number in range(50)}
    for number in range(30):
        await store.create(
            customer_id(number), JOHN | {"email": f"c{number}@example.com", "metadata": metadata}
        )
    page = await feed_of(store).page(M1, 0, 1000, most_bytes=2**30)
    rows = await store.database.fetch(FEED_PAGE, M1, 0, 10**9, None, 1000, STATE_BYTES)
    assert len(page.items) == len(rows) < 30
    assert sum(len(row["state"]) for row in rows[:-1]) < STATE_BYTES
    assert len(await all_items(feed_of(store))) == 30


async def test_a_rare_type_is_looked_for_in_a_bounded_range(store: Store) -> None:
    far = LOOKED_THROUGH + 5
    await store.create(C1, JOHN)
    await store.select(
        """
        INSERT INTO events.customer_events (
            originator_id, originator_version, topic, state,
            merchant_id, position, recorded_at, hash, metadata
        )
        SELECT 'cus_x', n, 'CustomerUpdated', '', $1, n, n, '', '{}'
        FROM generate_series(2::bigint, $2) AS g (n)
        """,
        M1,
        far,
    )
    await store.select("UPDATE events.merchants SET position = $2 WHERE id = $1", M1, far)
    topics = ["CustomerDeleted"]
    page = await feed_of(store).page(M1, 0, 10, topics=topics)
    assert (page.items, page.reached, page.has_more) == ([], LOOKED_THROUGH, True)
    page = await feed_of(store).page(M1, page.reached, 10, topics=topics)
    assert (page.items, page.reached, page.has_more) == ([], far, False)


async def test_what_cannot_be_read_keeps_its_place_and_tells_ids_alone(store: Store) -> None:
    await store.create(C1, JOHN)
    await store.create(C2, ACME)
    await store.select("DELETE FROM events.customer_keys WHERE customer_id = $1", C1)
    items = await all_items(feed_of(store))
    assert [item.position for item in items] == [1, 2]
    assert b'"data":{"id":"%b","object":"customer"}' % C1.encode() in items[0].body


async def test_heads_wake_those_whose_ledger_moved_and_nobody_else(store: Store) -> None:
    async with Heads.open(store.url) as heads:
        nothing = Head(0, 1)
        first, second = [asyncio.create_task(heads.moved(M1, nothing)) for _ in range(2)]
        other = asyncio.create_task(heads.moved(M2, nothing))
        await store.create(C1, JOHN)
        assert await first == await second == Head(1, 1)
        assert await heads.moved(M1, nothing) == Head(1, 1)
        assert not other.done()
        await store.create(C2, JOHN, M2)
        assert await other == Head(1, 1)


async def somebody_waits(heads: Heads) -> bool:
    return bool(heads._waiting)


async def no_more_looks(heads: Heads) -> None:
    """Return once it has stopped to look."""
    assert heads._looking is not None
    await heads._looking
    assert not heads._waiting


async def test_nothing_is_asked_while_nobody_waits(store: Store) -> None:
    async with Heads.open(store.url) as heads:
        assert heads._looking is None
        waiting = asyncio.create_task(heads.moved(M1, Head(0, 1)))
        await store.create(C1, JOHN)
        await waiting
        await no_more_looks(heads)
        given_up = asyncio.create_task(heads.moved(M1, Head(1, 1)))
        await comes_about(lambda: somebody_waits(heads))
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        await no_more_looks(heads)


async def test_who_waits_at_a_stop_is_let_go(store: Store) -> None:
    async with Heads.open(store.url) as heads:
        waiting = asyncio.create_task(heads.moved(M1, Head(0, 1)))
        await comes_about(lambda: somebody_waits(heads))
        heads.let_go()
        assert await waiting == Head(0, 1)
        assert await heads.moved(M1, Head(0, 1)) == Head(0, 1)
