"""Parking: what cannot be applied is kept once with its reason, and can be retried or skipped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from events.database import Database
from events.errors import StoreBusy
from events.statements import Statement
from projections import billing, parking
from projections.delivery import Delivery
from projections.parking import (
    CUSTOMERS,
    ParkedRow,
    Retry,
    find_parked,
    list_parked,
    park,
    park_customer,
    parked_customers,
    retry,
    skip,
)
from tests.support.billing import Billing, charge, delivered, opened_billing
from tests.support.databases import TestDatabase, run_sql
from tests.support.store import C1, C2, M1, M2, NOWHERE, make_merchants

RETRIES: dict[str, Retry] = {billing.NAME: billing.retry}

HOSTILE = Delivery(
    "CHARGES", "charges.\x00\ud800", 7, {"X-Odd": "\x00\udcff", "Nats-Msg-Id": "m1"}, b"\x00\xff not JSON"
)


@pytest_asyncio.fixture
async def projection(ledgers: TestDatabase) -> AsyncIterator[Billing]:
    async with opened_billing(ledgers) as opened:
        yield opened


async def parked(projection: Billing, delivery: Delivery, reason: str = "bad", **more: Any) -> ParkedRow:
    """The row after parking this."""
    async with projection.database.transaction() as transaction:
        await park(transaction, "billing", delivery, reason, **more)
    return (await list_parked(projection.database))[-1]


async def only(projection: Billing) -> ParkedRow:
    """The one row that there is."""
    (row,) = await list_parked(projection.database)
    return row


# Parking


async def test_a_message_is_kept_as_it_came_with_its_reason(projection: Billing) -> None:
    delivery = delivered(charge(amount="x"), {"ce-id": "e1", "X-More": "y"})
    row = await parked(projection, delivery, "the amount", merchant_id=M1, customer_id=C1)
    assert row.delivery == delivery
    assert (row.projection, row.status, row.attempts) == ("billing", "parked", 1)
    assert (row.merchant_id, row.customer_id, row.reason) == (M1, C1, "the amount")
    assert row.parked_at > 1_700_000_000_000_000


async def test_hostile_bytes_are_parked_like_any_others(projection: Billing) -> None:
    row = await parked(projection, HOSTILE, "a\x00b\ud800" + "c" * 1000)
    assert row.delivery == HOSTILE._replace(subject="charges.\ufffd\ufffd")
    assert row.reason.startswith("a\ufffdb\ufffdccc")
    assert len(row.reason) == 500


async def test_what_comes_again_is_parked_once_and_counts_attempts(projection: Billing) -> None:
    first = delivered(charge(amount="x"), msg_id="m1")
    again = first._replace(sequence=first.sequence + 100)
    await projection.apply(first, again)
    await projection.apply(again)
    row = await only(projection)
    assert (row.attempts, row.delivery.sequence, row.merchant_id) == (3, again.sequence, M1)


async def test_messages_of_one_body_and_other_ids_or_subjects_are_parked_each(projection: Billing) -> None:
    await projection.apply(
        delivered(charge(amount="x"), msg_id="m1"),
        delivered(charge(amount="x"), msg_id="m2"),
        delivered(charge(amount="x"), msg_id="m1")._replace(subject="charges.other"),
        delivered(charge(amount="x"), msg_id="m1")._replace(stream="INVOICES"),
    )
    assert [row.attempts for row in await list_parked(projection.database)] == [1] * 4


async def test_lists_are_of_a_projection_or_a_merchant_or_of_all(projection: Billing) -> None:
    await projection.apply(delivered(charge(amount="x")), delivered(charge(amount="x", merchant=M2)))
    async with projection.database.transaction() as transaction:
        await park_customer(transaction, M1, C1, "broken")
    listed = [
        (row.projection, row.merchant_id)
        for chosen in ({"projection": "billing"}, {"projection": CUSTOMERS}, {"merchant_id": M2})
        for row in await list_parked(projection.database, **chosen)
    ]
    assert sorted(listed[:2]) == [("billing", M1), ("billing", M2)]
    assert listed[2:] == [(CUSTOMERS, M1), ("billing", M2)]
    assert len(await list_parked(projection.database)) == 3


# Customers


async def test_a_customer_is_parked_once_and_found_among_others(projection: Billing) -> None:
    async with projection.database.transaction() as transaction:
        await park_customer(transaction, M1, C1, "event 3 is broken")
        await park_customer(transaction, M1, C1, "event 3 is still broken")
        assert await parked_customers(transaction, M1, [C1, C2]) == {C1}
        assert await parked_customers(transaction, M2, [C1, C2]) == set()
        assert await parked_customers(transaction, M1, []) == set()
    row = await only(projection)
    assert (row.projection, row.merchant_id, row.customer_id) == (CUSTOMERS, M1, C1)
    assert (row.reason, row.attempts) == ("event 3 is still broken", 2)


async def test_a_skipped_customer_is_still_passed_over(projection: Billing) -> None:
    async with projection.database.transaction() as transaction:
        await park_customer(transaction, M1, C1, "broken")
    assert await skip(projection.database, (await only(projection)).id)
    async with projection.database.transaction() as transaction:
        assert await parked_customers(transaction, M1, [C1]) == {C1}


async def test_a_customer_s_projection_is_given_the_row_to_retry(projection: Billing) -> None:
    async with projection.database.transaction() as transaction:
        await park_customer(transaction, M1, C1, "broken")
    given: list[tuple[str | None, str | None]] = []

    async def bring_forward(_: Database.Transaction, row: ParkedRow) -> None:
        given.append((row.merchant_id, row.customer_id))

    assert await retry(projection.database, await only(projection), {CUSTOMERS: bring_forward}) is None
    assert given == [(M1, C1)]
    assert await list_parked(projection.database) == []


# Retrying


async def test_a_retry_applies_what_was_parked_too_early(projection: Billing, ledgers: TestDatabase) -> None:
    await projection.apply(delivered(charge(merchant=NOWHERE)))
    row = await only(projection)
    still = await retry(projection.database, row, RETRIES)
    assert still is not None
    assert (still.id, still.attempts) == (row.id, 2)
    await make_merchants(ledgers, NOWHERE)
    assert await retry(projection.database, still, RETRIES) is None
    assert (await projection.stats(merchant=NOWHERE)).charge_count == 1
    assert await list_parked(projection.database) == []


async def test_a_retry_that_fails_counts_an_attempt_and_renews_the_reason(projection: Billing) -> None:
    row = await parked(projection, delivered(charge(amount="x")), "an older reason")
    still = await retry(projection.database, row, RETRIES)
    assert still is not None
    assert still.attempts == 2
    assert still.reason.startswith("data.amount must be")


async def test_a_retry_of_hostile_bytes_fails_like_any_other(projection: Billing) -> None:
    row = await parked(projection, delivered(b"\x00\xff"))
    assert await retry(projection.database, row, RETRIES) is not None
    assert len(await list_parked(projection.database)) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [("SELECT 1 / 0", "transaction: DivisionByZeroError"), (None, "unexpected ValueError")],
    ids=["in the database", "in the program"],
)
async def test_a_retry_that_breaks_leaves_nothing_but_its_reason(
    projection: Billing, text: str | None, reason: str
) -> None:
    row = await parked(projection, delivered(charge()))

    async def broken(transaction: Database.Transaction, row: ParkedRow) -> None:
        await billing.retry(transaction, row)
        if text is None:
            raise ValueError("a value: canary")
        await transaction.fetch(Statement("broken", text))

    still = await retry(projection.database, row, {"billing": broken})
    assert still is not None
    assert (still.attempts, still.reason) == (2, reason)
    assert await projection.standings() == []


async def test_a_retry_in_trouble_with_the_database_is_no_attempt(
    projection: Billing, ledgers: TestDatabase
) -> None:
    row = await parked(projection, delivered(charge()))
    async with Database.connect(ledgers.admin_url) as other, other.transaction() as holder:
        await holder.fetch(Statement("lock", "LOCK TABLE projections.billing_events IN EXCLUSIVE MODE"))
        with pytest.raises(StoreBusy):
            await retry(projection.database, row, RETRIES)
    assert await find_parked(projection.database, row.id) == row
    assert await retry(projection.database, row, RETRIES) is None


async def test_of_two_retries_at_once_the_message_has_one_effect(projection: Billing) -> None:
    row = await parked(projection, delivered(charge()))
    both = [retry(projection.database, row, RETRIES) for _ in range(2)]
    assert await asyncio.gather(*both) == [None, None]
    assert (await projection.stats()).charge_count == 1


async def test_what_is_parked_again_during_its_retry_stays(projection: Billing) -> None:
    row = await parked(projection, delivered(charge()))

    async def meanwhile(transaction: Database.Transaction, row: ParkedRow) -> None:
        await billing.retry(transaction, row)
        await parked(projection, row.delivery, "parked again")

    still = await retry(projection.database, row, {"billing": meanwhile})
    assert still is not None
    assert (still.attempts, still.reason) == (2, "parked again")


# Skipping


async def test_what_is_skipped_stays_so_when_it_comes_again_and_can_be_retried(
    projection: Billing, ledgers: TestDatabase
) -> None:
    delivery = delivered(charge(merchant=NOWHERE))
    await projection.apply(delivery)
    row = await only(projection)
    assert await skip(projection.database, row.id)
    await projection.apply(delivery)
    row = await only(projection)
    assert (row.status, row.attempts) == ("skipped", 2)
    await make_merchants(ledgers, NOWHERE)
    assert await retry(projection.database, row, RETRIES) is None


async def test_what_is_not_there_cannot_be_skipped(projection: Billing) -> None:
    assert not await skip(projection.database, 12)
    assert await find_parked(projection.database, 12) is None


async def test_the_projection_of_customers_is_named_as_here() -> None:
    from projections import customers  # noqa: PLC0415  # only to compare

    assert parking.CUSTOMERS == customers.NAME


async def test_sql_in_a_message_is_only_text(projection: Billing, ledgers: TestDatabase) -> None:
    text = "'); DROP TABLE projections.parked; --"
    await projection.apply(delivered(charge(text, amount=text, customer=text)), delivered(charge(text)))
    assert len(await list_parked(projection.database)) == 1
    await run_sql(ledgers.admin_url, "SELECT FROM projections.parked")
