"""A connection lost while a change is being written: the resubmission finds out, whichever came first.

The lanes' way to PostgreSQL leads through a proxy, which loses answers, questions or clients when told to.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import pytest
import pytest_asyncio

import events.lanes
from events.command import Outcome
from events.errors import StoreUnavailable
from service.embedded.postgres import EmbeddedPostgres
from tests.support.cases import ACME, JOHN
from tests.support.database_proxy import DatabaseProxy, database_proxy
from tests.support.databases import TestDatabase, run_sql
from tests.support.ledger import check_ledger
from tests.support.serve import comes_about
from tests.support.store import C1, C2, C3, M1, Store, connected, keyed, opened_store

KEYED = keyed(sha256(b"a key").digest())
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
LANE = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE '%events.append(%' AND pid <> pg_backend_pid()
"""


@pytest_asyncio.fixture
async def proxy(migrated_postgres: EmbeddedPostgres, ledgers: TestDatabase) -> AsyncIterator[DatabaseProxy]:
    async with database_proxy(migrated_postgres, ledgers) as made:
        yield made


@pytest_asyncio.fixture
async def store(ledgers: TestDatabase, proxy: DatabaseProxy) -> AsyncIterator[Store]:
    """A store of one lane whose connection is there already, with customer C1 at position 1."""
    async with opened_store(ledgers, url=proxy.database.url, lanes=1, deadline=5) as opened:
        await opened.create(C1)
        yield opened


def hang_up(proxy: DatabaseProxy) -> None:
    """Break the connections as the client sees them; what it sent is on its way to the server."""
    for writer in proxy.writers:
        if not writer.get_extra_info("peername"):  # a client's end has no name, the server's has
            writer.transport.abort()


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """A process of the test's server stands still for a block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def stored(store: Store, customer: str = C2) -> list[Any]:
    return list(await store.select("SELECT * FROM events.customer_events WHERE originator_id = $1", customer))


async def is_the_only_event(store: Store, outcome: Outcome, database: TestDatabase) -> bool:
    """Whether C2 was created exactly once, at the place and time that the outcome says."""
    [event] = await stored(store)
    assert await check_ledger(database.admin_url, store.master_keys, published=False) == {M1: 2}
    return (event["position"], event["recorded_at"]) == (outcome.position, outcome.recorded_at)


@pytest.mark.parametrize("key", [{}, KEYED], ids=["without a key", "with a key"])
async def test_when_the_answer_was_lost_the_resubmission_finds_the_event_already_there(
    store: Store, proxy: DatabaseProxy, ledgers: TestDatabase, key: dict[str, Any]
) -> None:
    proxy.answers.close()
    creating = asyncio.create_task(store.create(C2, ACME, **key))
    await proxy.answers.holding()
    assert len(await stored(store)) == 1
    proxy.cut()
    proxy.answers.open()
    customer, outcome = await creating
    assert (outcome.kind, outcome.position, outcome.version) == ("already", 2, 1)
    assert await is_the_only_event(store, outcome, ledgers)
    assert (await store.load(C2)).customer == customer


@pytest.mark.parametrize("key", [{}, KEYED], ids=["without a key", "with a key"])
async def test_when_the_question_was_lost_the_resubmission_writes_the_event(
    store: Store, proxy: DatabaseProxy, ledgers: TestDatabase, key: dict[str, Any]
) -> None:
    proxy.questions.close()
    creating = asyncio.create_task(store.create(C2, ACME, **key))
    await proxy.questions.holding()
    assert await stored(store) == []
    proxy.cut()
    proxy.questions.open()
    _, outcome = await creating
    assert (outcome.kind, outcome.position) == ("appended", 2)
    assert await is_the_only_event(store, outcome, ledgers)


@pytest.mark.parametrize("key", [{}, KEYED], ids=["without a key", "with a key"])
async def test_when_the_first_attempt_runs_after_the_resubmission_it_changes_nothing(
    store: Store, proxy: DatabaseProxy, ledgers: TestDatabase, key: dict[str, Any]
) -> None:
    [(late,)] = await store.select(LANE)
    with paused(late):
        proxy.questions.close()
        creating = asyncio.create_task(store.create(C2, ACME, **key))
        await proxy.questions.holding()
        proxy.questions.let_these_through()
        hang_up(proxy)
        proxy.questions.open()
        _, outcome = await creating
        assert (outcome.kind, outcome.position) == ("appended", 2)

    async def late_one_has_ended() -> bool:
        return not await store.select("SELECT FROM pg_stat_activity WHERE pid = $1", late)

    await comes_about(late_one_has_ended)
    assert await is_the_only_event(store, outcome, ledgers)


@pytest.mark.parametrize("key", [{}, KEYED], ids=["without a key", "with a key"])
async def test_when_the_first_attempt_commits_after_the_resubmission_was_sent_it_is_found(
    ledgers: TestDatabase, proxy: DatabaseProxy, monkeypatch: pytest.MonkeyPatch, key: dict[str, Any]
) -> None:
    monkeypatch.setattr(events.lanes, "LOCK_TIMEOUT", "20s")  # a slow machine must not end it early
    async with opened_store(ledgers, url=proxy.database.url, lanes=1) as store:
        await store.create(C1)

        async def first_waits() -> bool:
            return len(await store.select(WAITING)) == 1

        async def both_wait() -> bool:
            return len(await store.select(WAITING)) == 2

        async with connected(ledgers.admin_url) as holder:
            await holder.execute(f"BEGIN; SELECT FROM events.merchants WHERE id = '{M1}' FOR UPDATE")
            creating = asyncio.create_task(store.create(C2, ACME, **key))
            await comes_about(first_waits)
            hang_up(proxy)
            await comes_about(both_wait)
            await holder.execute("ROLLBACK")
        _, outcome = await creating
        assert (outcome.kind, outcome.position) == ("already", 2)
        assert await is_the_only_event(store, outcome, ledgers)


async def test_a_whole_batch_in_doubt_is_answered_one_by_one(
    store: Store, proxy: DatabaseProxy, ledgers: TestDatabase
) -> None:
    proxy.answers.close()
    changes = [store.create(C2, ACME, **KEYED), store.create(C3, JOHN), store.create(C3, ACME)]
    under_way = asyncio.gather(*changes)
    await proxy.answers.holding()
    proxy.cut()
    proxy.answers.open()
    outcomes = [outcome for _, outcome in await under_way]
    assert [outcome.kind for outcome in outcomes] == ["already", "email_taken", "email_taken"]
    assert [outcome.customer_id for outcome in outcomes] == [C2, C1, C2]
    assert await is_the_only_event(store, outcomes[0], ledgers)


async def test_an_event_in_doubt_is_found_although_others_followed_it(
    store: Store, proxy: DatabaseProxy, ledgers: TestDatabase
) -> None:
    proxy.answers.close()
    creating = asyncio.create_task(store.create(C2, ACME))
    await proxy.answers.holding()
    async with opened_store(ledgers, keys=store.master_keys) as elsewhere:
        assert (await elsewhere.update(C2, email="new@example.com")).position == 3
        assert (await elsewhere.create(C3, ACME))[1].position == 4
    proxy.cut()
    proxy.answers.open()
    _, outcome = await creating
    assert (outcome.kind, outcome.position, outcome.version) == ("already", 2, 1)
    assert await check_ledger(ledgers.admin_url, store.master_keys, published=False) == {M1: 4}


async def test_past_the_deadline_the_doubt_is_admitted_and_the_key_tells_the_truth_later(
    migrated_postgres: EmbeddedPostgres, ledgers: TestDatabase, proxy: DatabaseProxy
) -> None:
    elsewhere = migrated_postgres.url()
    closed = f'ALTER DATABASE "{ledgers.name}" ALLOW_CONNECTIONS'
    async with opened_store(ledgers, url=proxy.database.url, lanes=1, deadline=0.1) as store:
        await store.create(C1)
        proxy.answers.close()
        creating = asyncio.create_task(store.create(C2, ACME, **KEYED))
        await proxy.answers.holding()
        await run_sql(elsewhere, f"{closed} false")
        proxy.cut()
        proxy.answers.open()
        try:
            with pytest.raises(StoreUnavailable):
                await creating
        finally:
            await run_sql(elsewhere, f"{closed} true")
        _, retried = await store.create(C3, ACME, **KEYED)
        assert (retried.kind, retried.customer_id, retried.version) == ("replayed", C2, 1)
        assert len(await stored(store)) == 1


async def test_a_doubt_is_not_denied_because_the_ledger_is_locked(
    store: Store, proxy: DatabaseProxy, ledgers: TestDatabase
) -> None:
    proxy.answers.close()
    creating = asyncio.create_task(store.create(C2, ACME, **KEYED))
    await proxy.answers.holding()
    async with connected(ledgers.admin_url) as holder:
        await holder.execute(f"BEGIN; SELECT FROM events.merchants WHERE id = '{M1}' FOR UPDATE")
        proxy.cut()
        proxy.answers.open()
        with pytest.raises(StoreUnavailable):
            await creating
    assert len(await stored(store)) == 1
