"""The billing projection: given deliveries, in any order and number, stats equal a recount."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.database import Database
from events.errors import StoreError
from projections import billing
from projections.delivery import Delivery
from projections.stats import Stats, plain, stats_members, stats_of
from service.embedded.postgres import EmbeddedPostgres
from service.merchants import create_merchant
from tests.support.billing import (
    Billing,
    charge,
    delivered,
    invoice,
    opened_billing,
    recount_sent,
    stored_totals,
)
from tests.support.databases import TestDatabase, fresh_database, run_sql
from tests.support.store import C1, C2, C3, M1, M2, M3, NOWHERE, Store, make_merchants

CURRENCIES = {M1: "USDC", M2: "USDC"}
EARLY, NOON, LATE = "2024-01-15T11:00:00Z", "2024-01-15T12:00:00Z", "2024-01-15T13:00:00Z"
NOTHING = Stats(0, 0, Decimal(0))


@pytest_asyncio.fixture
async def projection(ledgers: TestDatabase) -> AsyncIterator[Billing]:
    async with opened_billing(ledgers) as opened:
        yield opened


def numbers(stats: Stats) -> tuple[int, int, str]:
    return stats.invoice_count, stats.charge_count, plain(stats.total_spent)


# What is counted


async def test_a_customer_without_charges_and_invoices_has_zeros(projection: Billing) -> None:
    found = await stats_of(projection.database, M1, [C1, C2])
    assert found == {C1: NOTHING, C2: NOTHING}
    assert await stats_of(projection.database, M1, []) == {}


async def test_charges_and_invoices_are_counted_once_and_completed_ones_summed(projection: Billing) -> None:
    await projection.apply(
        delivered(charge("chrg_1", "PENDING", "25.00", at=EARLY)),
        delivered(charge("chrg_1", "COMPLETED", "25.00", at=NOON)),
        delivered(charge("chrg_2", "PENDING", "7.00")),
        delivered(charge("chrg_3", "COMPLETED", "0.125")),
        delivered(invoice("inv_1", "created", at=EARLY)),
        delivered(invoice("inv_1", "paid", at=NOON)),
        delivered(invoice("inv_2", "voided")),
    )
    assert numbers(await projection.stats()) == (2, 3, "25.125")
    await projection.check()


async def test_each_customer_and_each_merchant_has_its_own(projection: Billing) -> None:
    await projection.apply(
        delivered(charge("chrg_1", amount="1")),
        delivered(charge("chrg_1", amount="2", merchant=M2)),
        delivered(charge("chrg_2", amount="4", customer=C2)),
    )
    found = await stats_of(projection.database, M1, [C1, C2, C3])
    assert {customer: numbers(stats) for customer, stats in found.items()} == {
        C1: (0, 1, "1.00"),
        C2: (0, 1, "4.00"),
        C3: (0, 0, "0.00"),
    }
    assert numbers(await projection.stats(merchant=M2)) == (0, 1, "2.00")


async def test_only_the_merchant_s_currency_is_summed(ledgers: TestDatabase, projection: Billing) -> None:
    async with Database.connect(ledgers.admin_url) as admin:
        await create_merchant(admin, merchant_id="mer_euro", live=False, currency="EUR")
    for merchant in (M1, "mer_euro"):
        await projection.apply(
            delivered(charge("chrg_1", amount="1", merchant=merchant, currency="USDC")),
            delivered(charge("chrg_2", amount="2", merchant=merchant, currency="EUR")),
        )
    assert numbers(await projection.stats()) == (0, 2, "1.00")
    assert numbers(await projection.stats(merchant="mer_euro")) == (0, 2, "2.00")


async def test_totals_are_exact_however_large_and_small_their_parts(projection: Billing) -> None:
    large, small = "9" * 30 + ".99", "0." + "0" * 17 + "1"
    await projection.apply(
        delivered(charge("chrg_1", amount=large)),
        delivered(charge("chrg_2", amount=large)),
        delivered(charge("chrg_3", amount=small)),
    )
    total = "1" + "9" * 30 + ".980000000000000001"
    assert stats_members(await projection.stats()) == (
        f'"invoiceCount":0,"chargeCount":3,"totalSpent":"{total}"'.encode()
    )


# Which event decides

FINAL_ONES = ["UNDERPAID", "EXPIRED", "CANCELLED"]


@pytest.mark.parametrize("final", [*FINAL_ONES, "COMPLETED"])
@pytest.mark.parametrize("open_", ["PENDING", "PARTIAL", "RECEIVED"])
async def test_a_final_status_beats_a_later_open_one(projection: Billing, final: str, open_: str) -> None:
    await projection.apply(delivered(charge(status=final, at=EARLY)))
    await projection.apply(delivered(charge(status=open_, at=LATE)))
    assert [row["status"] for row in await projection.select("SELECT * FROM projections.charges")] == [final]


@pytest.mark.parametrize("final", FINAL_ONES)
async def test_completed_beats_every_other_final_status_also_late(projection: Billing, final: str) -> None:
    await projection.apply(delivered(charge(status="COMPLETED", at=EARLY)))
    await projection.apply(delivered(charge(status=final, at=LATE)))
    await projection.apply(delivered(charge("chrg_2", final, at=LATE)))
    await projection.apply(delivered(charge("chrg_2", "COMPLETED", at=EARLY)))
    assert numbers(await projection.stats()) == (0, 2, "50.00")


async def test_among_equals_the_later_event_decides_amount_and_customer(projection: Billing) -> None:
    late = delivered(charge(amount="3", customer=C2, at="2024-01-15T12:00:00.000002Z"))
    await projection.apply(late)
    await projection.apply(delivered(charge(amount="9", customer=C1, at="2024-01-15T12:00:00.000001Z")))
    assert await projection.stats(C1) == NOTHING
    assert numbers(await projection.stats(C2)) == (0, 1, "3.00")


@pytest.mark.parametrize("order", [1, -1])
async def test_among_events_of_one_moment_the_greater_identity_decides(
    projection: Billing, order: int
) -> None:
    both = [delivered(charge(amount="1"), msg_id="a"), delivered(charge(amount="2"), msg_id="b")]
    await projection.apply(*both[::order], batch=1)
    assert numbers(await projection.stats()) == (0, 1, "2.00")


async def test_a_charge_that_moves_to_another_customer_takes_its_count_along(projection: Billing) -> None:
    await projection.apply(
        delivered(charge(customer=C1, at=EARLY)), delivered(invoice(customer=C1, at=EARLY))
    )
    assert numbers(await projection.stats(C1)) == (1, 1, "25.00")
    await projection.apply(delivered(charge(customer=C2, at=LATE)), delivered(invoice(customer=C2, at=LATE)))
    assert await projection.stats(C1) == NOTHING
    assert numbers(await projection.stats(C2)) == (1, 1, "25.00")
    await projection.check()


async def test_a_deleted_invoice_no_longer_counts_whatever_comes_later(projection: Billing) -> None:
    await projection.apply(delivered(invoice(at=EARLY)))
    await projection.apply(delivered(invoice(event="deleted", at=NOON)))
    await projection.apply(delivered(invoice(event="paid", at=LATE)))
    await projection.apply(delivered(invoice("inv_2", "deleted", at=EARLY)))
    await projection.apply(delivered(invoice("inv_2", "created", at=EARLY)))
    assert await projection.stats() == NOTHING
    await projection.check()


async def test_a_charge_counts_for_a_customer_that_comes_later(projection: Billing, store: Store) -> None:
    await projection.apply(delivered(charge()))
    await store.create(C1)
    await projection.apply(delivered(charge("chrg_2")))
    assert numbers(await projection.stats()) == (0, 2, "50.00")
    assert await projection.reasons() == []


# Once


async def test_an_event_delivered_five_times_has_one_effect(projection: Billing) -> None:
    deliveries = [delivered(charge(), msg_id="m1"), delivered(invoice()), delivered(charge("chrg_2"))]
    for _ in range(2):
        await projection.apply(*deliveries * 2)
    await projection.apply(*deliveries, batch=1)
    assert numbers(await projection.stats()) == (1, 2, "50.00")
    assert len(await projection.standings()) == 3
    assert await projection.reasons() == []


@pytest.mark.parametrize("batch", [1, 2], ids=["in two batches", "in one batch"])
async def test_the_same_identity_with_another_body_is_parked(projection: Billing, batch: int) -> None:
    first = delivered(charge(amount="1", at=EARLY), msg_id="m1")
    second = delivered(charge(amount="2", at=LATE), msg_id="m1")
    await projection.apply(first, second, batch=batch)
    assert numbers(await projection.stats()) == (0, 1, "1.00")
    assert await projection.reasons() == ["an event of the same identity and another body has come before"]


async def test_what_the_inbox_has_decides_which_of_two_bodies_is_another(projection: Billing) -> None:
    known, other = delivered(charge(amount="1"), msg_id="m1"), delivered(charge(amount="2"), msg_id="m1")
    await projection.apply(known)
    await projection.apply(other, known, other)
    (row,) = await projection.select("SELECT body, attempts FROM projections.parked")
    assert (row["body"], row["attempts"]) == (other.body, 2)
    assert numbers(await projection.stats()) == (0, 1, "1.00")


async def test_an_identity_belongs_to_a_stream_and_a_merchant(projection: Billing) -> None:
    await projection.apply(
        delivered(charge("chrg_1"), msg_id="m1"),
        delivered(charge("chrg_1", merchant=M2), msg_id="m1"),
        delivered(invoice("inv_1"), msg_id="m1"),
    )
    assert numbers(await projection.stats()) == (1, 1, "25.00")
    assert numbers(await projection.stats(merchant=M2)) == (0, 1, "25.00")
    assert await projection.reasons() == []


# What is kept and changes nothing


@pytest.mark.parametrize(
    ("content", "standing"),
    [
        (charge(event="charge.refunded"), "unknown"),
        (charge(event="payout.paid"), "unknown"),
        (charge(status="REFUNDED", event="charge.completed"), "unknown"),
        (invoice(event="sent"), "unknown"),
        (charge(customer=None), "unlinked"),
        (invoice(customer=...), "unlinked"),
    ],
)
async def test_what_means_nothing_here_is_kept_and_changes_nothing(
    projection: Billing, content: Any, standing: str
) -> None:
    await projection.apply(delivered(charge(), msg_id="before"), delivered(content))
    assert numbers(await projection.stats()) == (0, 1, "25.00")
    assert await projection.standings() == ["linked", standing]
    assert await projection.reasons() == []


async def test_the_inbox_cannot_be_changed_by_the_service(projection: Billing) -> None:
    await projection.apply(delivered(charge()))
    for change in (
        "UPDATE projections.billing_events SET amount = 1",
        "DELETE FROM projections.billing_events",
    ):
        with pytest.raises(StoreError, match="permission denied"):
            await projection.select(change)


# What is parked, alone


async def test_a_bad_message_is_parked_alone_and_its_neighbours_flow(projection: Billing) -> None:
    good = [delivered(charge(f"chrg_{number}")) for number in range(20)]
    good[7] = delivered(charge("chrg_7", amount="1e5"))
    good[9] = delivered(b"\x00\xff")
    await projection.apply(*good)
    assert numbers(await projection.stats()) == (0, 18, "450.00")
    assert sorted(await projection.reasons()) == [
        "data.amount must be a decimal of at most 30 digits and 18 decimals, not negative",
        "the body is not UTF-8 at byte 1",
    ]
    await projection.check()


async def test_an_event_of_an_unknown_merchant_is_parked(projection: Billing) -> None:
    await projection.apply(delivered(charge(merchant=NOWHERE)), delivered(charge()))
    assert await projection.reasons() == ["data.merchantId is of no merchant here"]
    assert numbers(await projection.stats()) == (0, 1, "25.00")


async def test_a_customer_of_another_merchant_is_parked(projection: Billing, store: Store) -> None:
    await store.create(C1, merchant=M2)
    await projection.apply(
        delivered(charge(customer=C1)), delivered(invoice(customer=C1)), delivered(charge(merchant=M2))
    )
    assert await projection.reasons() == ["data.customerId is a customer of another merchant"] * 2
    assert await projection.stats() == NOTHING
    assert numbers(await projection.stats(merchant=M2)) == (0, 1, "25.00")


async def test_what_counts_already_is_not_parked_when_its_customer_turns_out_to_be_another_merchant_s(
    projection: Billing, store: Store
) -> None:
    before = delivered(charge(customer=C1), msg_id="m1")
    await projection.apply(before)
    await store.create(C1, merchant=M2)
    await projection.apply(before, before)
    assert await projection.reasons() == []
    await projection.apply(delivered(charge(customer=C1, amount="9"), msg_id="m1"))
    assert await projection.reasons() == ["data.customerId is a customer of another merchant"]
    await projection.check()


# Any order


customers = st.sampled_from([C1, C2, C3])
moments = st.sampled_from([EARLY, NOON, LATE])
charges = st.builds(
    charge,
    st.sampled_from(["chrg_1", "chrg_2"]),
    st.sampled_from(["PENDING", "RECEIVED", "EXPIRED", "CANCELLED", "COMPLETED"]),
    st.sampled_from(["1", "2.50", "0.000000000000000001"]),
    customer=customers | st.none(),
    at=moments,
    currency=st.sampled_from(["USDC", "EUR"]),
    merchant=st.sampled_from([M1, M1, M2]),
)
invoices = st.builds(
    invoice,
    st.sampled_from(["inv_1", "inv_2"]),
    st.sampled_from(["created", "paid", "deleted"]),
    customer=customers,
    at=moments,
)


@pytest.fixture(scope="module")
def emptied(migrated_postgres: EmbeddedPostgres) -> Any:
    """Runs something on a database that is emptied every time."""
    with asyncio.Runner() as runner:
        context = fresh_database(migrated_postgres)
        database = runner.run(context.__aenter__())
        runner.run(make_merchants(database, M1, M2, M3))

        async def run(work: Any) -> None:
            await run_sql(database.admin_url, EMPTY)
            async with opened_billing(database) as opened:
                await work(opened)

        yield lambda work: runner.run(run(work))
        runner.run(context.__aexit__(None, None, None))


EMPTY = """
TRUNCATE projections.billing_events, projections.charges, projections.invoices,
    projections.customer_stats, projections.parked
"""


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(charges | invoices, min_size=2, max_size=12), st.randoms(use_true_random=False), st.data())
def test_stats_equal_a_recount_in_any_order_any_batches_and_any_number_of_deliveries(
    emptied: Any, contents: list[dict[str, Any]], chance: random.Random, data: st.DataObject
) -> None:
    sent = [delivered(content, msg_id=f"m{number}") for number, content in enumerate(contents)]
    deliveries = sent + [chance.choice(sent) for _ in range(len(sent) // 2)]
    chance.shuffle(deliveries)

    async def work(projection: Billing) -> None:
        await projection.apply(*deliveries, batch=data.draw(st.integers(1, 6)))
        assert await stored_totals(projection.database) == recount_sent(sent, CURRENCIES)
        await projection.check()
        assert await projection.reasons() == []

    emptied(work)


# Several at once


def traffic(chance: random.Random, count: int) -> list[Delivery]:
    """Events that meet often: few customers, few charges and invoices."""
    return [
        delivered(
            charge(
                f"chrg_{chance.randrange(30)}",
                chance.choice(["PENDING", "RECEIVED", "EXPIRED", "COMPLETED"]),
                f"{chance.randrange(1000)}.{chance.randrange(100):02}",
                customer=f"cus_{chance.randrange(5)}",
                merchant=chance.choice([M1, M2]),
                at=f"2024-01-15T12:{chance.randrange(60):02}:00Z",
            )
            if chance.random() < 0.7
            else invoice(
                f"inv_{chance.randrange(10)}",
                chance.choice(["created", "paid", "deleted"]),
                customer=f"cus_{chance.randrange(5)}",
                merchant=chance.choice([M1, M2]),
                at=f"2024-01-15T12:{chance.randrange(60):02}:00Z",
            ),
            msg_id=f"m{number}",
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_several_workers_at_once_neither_deadlock_nor_count_twice(
    ledgers: TestDatabase, seed: int
) -> None:
    chance = random.Random(seed)
    sent = traffic(chance, 400)
    bad = [delivered(charge(f"chrg_{number}", amount="x")) for number in range(5)]
    async with opened_billing(ledgers, size=4) as projection:

        async def worker() -> None:
            mine = sent + bad + chance.sample(sent, 100)
            random.Random(chance.random()).shuffle(mine)
            await projection.apply(*mine, batch=40)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(worker())
        assert await stored_totals(projection.database) == recount_sent(sent, CURRENCIES)
        assert len(await projection.reasons()) == 5
        await projection.check()


async def test_what_is_rolled_back_leaves_nothing(projection: Billing) -> None:
    class Changed(Exception):
        """The caller's mind."""

    async def change_it() -> None:
        async with projection.database.transaction() as transaction:
            await billing.apply(transaction, [delivered(charge()), delivered(b"x")])
            raise Changed

    with pytest.raises(Changed):
        await change_it()
    assert await projection.stats() == NOTHING
    assert await projection.standings() == await projection.reasons() == []


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00"),
        ("25", "25.00"),
        ("25.5", "25.50"),
        ("0.000001", "0.000001"),
        ("1E-18", "0.000000000000000001"),
        ("1E+3", "1000.00"),
        ("100.000000000000000000", "100.00"),
        (
            "123456789012345678901234567890.123456789012345678",
            "123456789012345678901234567890.123456789012345678",
        ),
    ],
)
def test_a_total_is_written_plainly_with_the_decimals_that_it_needs(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text
