"""Lists and Python agree on who matches: a customer found by email is judged as a list would."""

from __future__ import annotations

import random
from typing import Any

from events.database import Database
from events.rendering import render_customer, render_tombstone
from projections.customer_list import LIST_SETTINGS, CustomerList, Filters
from projections.customers import CustomerRow, row_terms
from projections.queries import PUT_ROWS
from projections.search_terms import wanted_terms
from tests.support.cases import UNSET
from tests.support.databases import TestDatabase
from tests.support.store import M1, M2, customer_id

CUSTOMERS, ASKED = 60, 400
PIECES: tuple[str, ...] = (
    "jo",
    "john",
    "j",
    "Jö",
    "smith",
    "Straße",
    "x9",
    "'",
    "''",
    "\\",
    ":*",
    "&",
    "|",
    "!",
    "%",
    "_",
    "a%",
    "<->",
)
PIECES += (
    "(",
    ")",
    " ",
    " ",
    "-",
    "🙂",
    "日本",
    "ﬁ",
    "\u0301",
    "İ",
    "Σς",
    "null",
    "NULL",
    "{",
    ",",
    '"',
    "y" * 70,
)


def text(chosen: random.Random, longest: int = 5) -> str:
    return "".join(chosen.choice(PIECES) for _ in range(chosen.randint(1, longest)))


def somebody(chosen: random.Random, number: int) -> CustomerRow:
    """A customer of a few hostile texts, each tenth deleted."""
    if number % 10 == 9:
        return CustomerRow(
            customer_id(number), 2, number, 2 * number, True, render_tombstone(customer_id(number))
        )
    values = UNSET | {
        "email": f"{number}@example.com",
        "name": text(chosen),
        "companyName": chosen.choice([None, text(chosen, 1), text(chosen)]),
        "metadata": chosen.choice([None, {text(chosen, 1): text(chosen, 1)}]),
    }
    body = render_customer(customer_id(number), values, 0, 0)
    return CustomerRow(customer_id(number), 1, number, 2 * number, False, body)


def asked(chosen: random.Random) -> Filters:
    """Some filters, of the same texts."""
    metadata = {text(chosen, 1): text(chosen, 1)} if chosen.random() < 0.3 else None
    company = text(chosen, 1) if chosen.random() < 0.3 else None
    words = text(chosen, 3) if chosen.random() < 0.7 else None
    start = chosen.randint(0, CUSTOMERS // 4)
    return Filters(
        created=(start, CUSTOMERS),
        updated=(0, 2 * CUSTOMERS - start),
        terms=wanted_terms(M1, company_name=company, metadata=metadata, words=words),
    )


async def test_a_list_finds_those_whom_python_says_to_match_and_nobody_else(database: TestDatabase) -> None:
    chosen = random.Random(7)
    rows = [somebody(chosen, number) for number in range(1, CUSTOMERS + 1)]
    found = 0
    async with Database.connect(database.url, settings=LIST_SETTINGS) as pool:
        for merchant in (M1, M2):
            terms = zip(*[row_terms(merchant, row) for row in rows], strict=True)
            columns: list[Any] = [list(column) for column in (*zip(*rows, strict=True), *terms)]
            await pool.fetch(PUT_ROWS, merchant, *columns)
        for _ in range(ASKED):
            filters = asked(chosen)
            customers = CustomerList(pool, M1, filters)
            page = await customers.page(CUSTOMERS)
            expected = [row.customer_id for row in rows[::-1] if not row.deleted and filters.match(M1, row)]
            assert [one.customer_id for one in page.customers] == expected, filters
            assert (await customers.total()).number == len(expected)
            found += bool(expected)
    assert found > ASKED // 10
