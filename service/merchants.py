"""Merchants: whose customers they are. In: an operator's wish. Out: rows of `events.merchants`."""

from __future__ import annotations

import re
from typing import NamedTuple

from events.database import Database
from events.ledger import first_hash
from events.wire.patterns import CURRENCY, MERCHANT_ID
from service.clock import new_merchant_id, now_microseconds
from service.queries import CREATE_MERCHANT, DEACTIVATE_MERCHANT, FIND_MERCHANT, LIST_MERCHANTS

# An id is a token of message subjects and a part of URLs: nothing in it may mean anything there.
_ID = re.compile(MERCHANT_ID)
_CURRENCY = re.compile(CURRENCY)


class Merchant(NamedTuple):
    """A merchant; `status` is active or inactive, `currency` that of its totals, `created_at` in µs."""

    id: str
    status: str
    live: bool
    currency: str
    created_at: int


async def create_merchant(
    database: Database, *, merchant_id: str | None, live: bool, currency: str
) -> Merchant | None:
    """A merchant with an empty ledger; None when the id is taken. Needs the administrator's role.

    Raises ValueError for an id or a currency that cannot be one.
    """
    check_currency(currency)
    new_id = new_merchant_id() if merchant_id is None else check_merchant_id(merchant_id)
    made = await database.fetch(
        CREATE_MERCHANT, new_id, live, currency, now_microseconds(), first_hash(new_id)
    )
    return Merchant(*made[0]) if made else None


def check_merchant_id(text: str) -> str:
    """The text, if it can be a merchant's id. Raises ValueError."""
    if not _ID.fullmatch(text):
        raise ValueError("a merchant's id has 1 to 64 of A-Z a-z 0-9 _ -")
    return text


def check_currency(text: str) -> str:
    """The text, if it can be a currency's code. Raises ValueError."""
    if not _CURRENCY.fullmatch(text):
        raise ValueError("a currency's code has 2 to 16 of A-Z 0-9, a letter first, such as EUR or USDC")
    return text


async def find_merchant(database: Database, merchant_id: str) -> Merchant | None:
    """One merchant, if there is such a one."""
    found = await database.fetch(FIND_MERCHANT, merchant_id)
    return Merchant(*found[0]) if found else None


async def list_merchants(database: Database) -> list[Merchant]:
    """Every merchant, oldest first."""
    return [Merchant(*row) for row in await database.fetch(LIST_MERCHANTS)]


async def deactivate_merchant(database: Database, merchant_id: str) -> bool:
    """Refuse the merchant's keys from now on; False when there is no such merchant."""
    return bool(await database.fetch(DEACTIVATE_MERCHANT, merchant_id))
