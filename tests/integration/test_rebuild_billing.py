"""`customers rebuild billing`: charges, invoices and stats counted anew from the inbox."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any

import pytest

from projections import billing
from projections.delivery import Delivery
from projections.rebuild.rebuild_billing import rebuild_billing
from projections.rebuild.trying_again import patiently
from tests.support.billing import charge, delivered, invoice
from tests.support.databases import run_sql
from tests.support.store import C1, C2, C3, M1, M2, Store

STATUSES = ("PENDING", "RECEIVED", "COMPLETED", "CANCELLED", "SETTLED")
TABLES = ("charges", "invoices", "customer_stats", "billing_events", "parked")


def ignored(_: int) -> None:
    """Progress that nobody watches."""


def some_messages(count: int, seed: int = 1) -> list[Delivery]:
    chance = random.Random(seed)
    made = []
    for number in range(count):
        whose: dict[str, Any] = {
            "customer": chance.choice([C1, C2, C3, None]),
            "merchant": chance.choice([M1, M2]),
            "at": f"2024-01-15T12:{chance.randrange(60):02}:00Z",
        }
        if chance.random() < 0.3:
            event = chance.choice(["created", "paid", "deleted"])
            content = invoice(f"inv_{chance.randrange(20)}", event, **whose)
        else:
            status, amount = chance.choice(STATUSES), f"{chance.randrange(10_000)}.000001"
            content = charge(f"chrg_{chance.randrange(40)}", status, amount, **whose)
        made.append(delivered(content, msg_id=f"{seed}-{number}"))
    return made


async def apply(store: Store, deliveries: list[Delivery]) -> None:
    async with store.database.transaction() as transaction:
        await billing.apply(transaction, deliveries)


async def tables(store: Store) -> dict[str, list[Any]]:
    return {
        table: [
            tuple(row) for row in await store.select(f"SELECT * FROM projections.{table} ORDER BY 1, 2, 3")
        ]
        for table in TABLES
    }


async def test_what_is_counted_anew_is_what_was_counted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.rebuild.rebuild_billing.PAGE", 64)
    await apply(store, some_messages(300))
    before = await tables(store)
    assert before["customer_stats"]
    await rebuild_billing(store.admin_url, ignored)
    assert await tables(store) == before


async def test_totals_that_were_wrong_are_right_afterwards(store: Store) -> None:
    await apply(store, some_messages(100))
    before = await tables(store)
    await run_sql(
        store.admin_url,
        "UPDATE projections.customer_stats SET total_spent = 0, charge_count = 99",
        "UPDATE projections.charges SET occurred_at = 0, rank = 0",
        "DELETE FROM projections.invoices",
    )
    await rebuild_billing(store.admin_url, ignored)
    assert await tables(store) == before


async def test_what_arrives_meanwhile_counts_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.rebuild.rebuild_billing.PAGE", 16)
    messages = some_messages(200)
    await apply(store, messages[:100])
    begun = asyncio.Event()

    async def arrive() -> None:
        await begun.wait()
        for message in messages[100:]:
            await patiently(partial(apply, store, [message]))

    arriving = asyncio.create_task(arrive())
    await rebuild_billing(store.admin_url, lambda _: begun.set())
    await arriving
    after = await tables(store)
    assert len(after["billing_events"]) == 200 - len(after["parked"])
    await rebuild_billing(store.admin_url, ignored)
    assert await tables(store) == after


async def test_the_inbox_is_taken_from_as_before_after_a_rebuild(store: Store) -> None:
    await rebuild_billing(store.admin_url, ignored)
    await apply(store, [delivered(charge())])
    (row,) = (await tables(store))["customer_stats"]
    assert row[:2] == (M1, C1)
    assert await store.select("SELECT FROM pg_trigger WHERE tgname = 'note_arrivals'") == []
