"""The billing read model made anew from its inbox, beside the live one and under traffic.

In: every charge and invoice event that was taken in. Out: charges, invoices and stats that take the live
ones' places. What arrives meanwhile is noted by a trigger and applied after the rest: the order does not
matter, and twice is once, since the greatest event decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from events.database import Database, Row
from events.replay import Tell
from projections.billing import put_states
from projections.billing_message import LINKED, BillingEvent
from projections.queries import (
    CURRENCIES_OF,
    INBOX_PAGE,
    LOCK_INBOX,
    NOTE_ARRIVALS,
    PUT_STATES,
    TAKE_ARRIVED,
)
from projections.rebuild.rebuild_customers import CONNECTIONS, ROUNDS
from projections.rebuild.shadows import Shadows, shadowed, shadows_of
from projections.rebuild.trying_again import PersistentReader, patiently, persistently

TABLES = ("charges", "invoices", "customer_stats")
PUT_INTO_SHADOWS = shadowed(PUT_STATES, *TABLES)
PAGE = 1000


async def rebuild_billing(url: str, tell: Tell) -> None:
    """Rebuild and swap, as the administrator. Raises RebuildRefused, StoreError."""
    async with shadows_of(url, TABLES) as shadows, Database.connect(url, size=CONNECTIONS) as database:
        await patiently(lambda: shadows.session.fetch(NOTE_ARRIVALS))
        place = ("", "", "")
        while page := await PersistentReader(database).fetch(INBOX_PAGE, *place, PAGE):
            await persistently(partial(_put, database, page))
            tell(len(page))
            place = (page[-1]["merchant_id"], page[-1]["stream"], page[-1]["identity"])
        await shadows.index()
        for _ in range(ROUNDS):
            if await persistently(partial(_take_arrived, database)) < PAGE:
                break
        await patiently(lambda: _swap(database, shadows))


async def _put(database: Database, page: Sequence[Row]) -> None:
    async with database.transaction() as transaction:
        await _apply(transaction, page)


async def _take_arrived(database: Database) -> int:
    async with database.transaction() as transaction:
        return await _apply_arrived(transaction)


async def _swap(database: Database, shadows: Shadows) -> None:
    async with database.transaction() as transaction:
        await shadows.keep_vacuum_away(transaction)
        await transaction.fetch(LOCK_INBOX)
        while await _apply_arrived(transaction) == PAGE:
            pass
        await shadows.lock_live(transaction)
        await shadows.swap(transaction)


async def _apply_arrived(transaction: Database.Transaction) -> int:
    arrived = await transaction.fetch(TAKE_ARRIVED, PAGE)
    await _apply(transaction, arrived)
    return len(arrived)


async def _apply(transaction: Database.Transaction, rows: Sequence[Row]) -> None:
    events = [event for event in map(BillingEvent._make, rows) if event.standing == LINKED]
    merchants = {event.merchant_id for event in events}
    found = await transaction.fetch(CURRENCIES_OF, list(merchants))
    await put_states(transaction, events, {row["id"]: row["currency"] for row in found}, PUT_INTO_SHADOWS)
