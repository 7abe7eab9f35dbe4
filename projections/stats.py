"""What customers' charges and invoices amount to: rows of the billing projection in, members of JSON out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from events.database import Database
from projections.queries import STATS_OF

DECIMALS = 2  # of a total, at least


class Stats(NamedTuple):
    """A customer's totals; `total_spent` is exact, in the merchant's currency."""

    invoice_count: int
    charge_count: int
    total_spent: Decimal


NONE = Stats(0, 0, Decimal(0))


async def stats_of(database: Database, merchant_id: str, customer_ids: Sequence[str]) -> dict[str, Stats]:
    """The totals of each of these customers, zeros where nothing has come in."""
    found = await database.fetch(STATS_OF, merchant_id, list(customer_ids))
    return dict.fromkeys(customer_ids, NONE) | {row["customer_id"]: Stats(*row[1:]) for row in found}


def stats_members(stats: Stats) -> bytes:
    """The three members of the contract, to stand within a customer's JSON."""
    return (
        f'"invoiceCount":{stats.invoice_count},"chargeCount":{stats.charge_count},'
        f'"totalSpent":"{plain(stats.total_spent)}"'
    ).encode()


def plain(amount: Decimal) -> str:
    """An amount without exponent, with the decimals that it needs and at least two. Never rounded."""
    whole, _, decimals = f"{amount:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(DECIMALS, '0')}"
