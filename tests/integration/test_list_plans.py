"""The plans of lists: whatever is asked, of 200,000 customers only a few are read, and by an index.

In: a read model of many customers with statistics of them. Out: what `CustomerList` asks of PostgreSQL,
each statement with the plan that it had.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

from events.database import Database, Row
from events.statements import Statement
from projections.customer_list import (
    ALWAYS,
    LATEST,
    LIST_SETTINGS,
    NEAREST,
    NEWER,
    OLDER,
    CustomerList,
    Direction,
    Filters,
    Span,
)
from projections.search_terms import WantedTerms, terms_of, wanted_terms
from service.embedded.postgres import EmbeddedPostgres
from tests.support.databases import TestDatabase, fresh_database, run_sql
from tests.support.store import M1, M2

pytestmark = pytest.mark.asyncio(loop_scope="module")

CUSTOMERS = 200_000
LIMIT = 20
TOMBSTONES = 20  # every one of so many
OLD = 1_000  # customers who have a metadata that nobody else has
PER_COMPANY = 5
TIERS = ("gold", "silver", "tin")

# Customers are made by number, one a microsecond, and half of them changed as many microseconds later as
# there are customers. Digests come from a few examples: SQL cannot make them.
FILL = """
INSERT INTO projections.customers
SELECT
    CASE WHEN number % 10 = 0 THEN '{m2}' ELSE '{m1}' END,
    'cus_' || number,
    1,
    number,
    CASE WHEN number % 4 < 2 THEN number + {customers} ELSE number END,
    number % {tombstones} = 7,
    repeat('b', 300)::bytea,
    CASE WHEN number % {tombstones} = 7 THEN '' ELSE array_to_tsvector(array_remove(ARRAY[
        ('{tiers}'::text[])[number % 3 + 1],
        CASE WHEN number = 3001 THEN '{source}' ELSE md5('s' || number) END,
        CASE WHEN number / {per_company} = 600 THEN '{company}' ELSE md5('c' || number / {per_company}) END,
        CASE WHEN number <= {old} THEN '{cohort}' END,
        '{mark}' || left(number::text, 4),
        '{mark}' || 'john', '{mark}' || 'exam', '{mark}' || 'com',
        CASE WHEN number % 1000 = 1 THEN '{mark}' || 'feat' ELSE '{mark}' || 'smit' END
    ], NULL)) END,
    CASE WHEN number % {tombstones} = 7 THEN ''
        ELSE format(
            ' john %s example com %s', number, CASE WHEN number % 1000 = 1 THEN 'feather' ELSE 'smith' END
        )
    END
FROM generate_series(1, {customers}) AS number
"""


def wanted(**filters: Any) -> WantedTerms:
    return wanted_terms(M1, **filters)


def digest(**filters: Any) -> str:
    (term,) = wanted(**filters).whole
    return term


FILTERS: dict[str, Filters] = {
    "none": Filters(),
    "deleted": Filters(deleted=True),
    "company_name": Filters(terms=wanted(company_name="Acme")),
    "metadata of many": Filters(terms=wanted(metadata={"tier": "gold"})),
    "metadata of one": Filters(terms=wanted(metadata={"source": "one"})),
    "metadata of the oldest": Filters(terms=wanted(metadata={"cohort": "first"})),
    "metadata of both kinds": Filters(terms=wanted(metadata={"tier": "silver", "source": "one"})),
    "metadata of nobody": Filters(terms=wanted(metadata={"tier": "none"})),
    "company_name and metadata": Filters(terms=wanted(company_name="Acme", metadata={"tier": "tin"})),
    "a letter": Filters(terms=wanted(words="s")),
    "a common word": Filters(terms=wanted(words="Smith")),
    "a rare word": Filters(terms=wanted(words="feather")),
    "a word of nobody": Filters(terms=wanted(words="zebra")),
    "the words of an email": Filters(terms=wanted(words="john.3001@example.com")),
    "words and metadata": Filters(terms=wanted(words="feath", metadata={"tier": "gold"})),
    "no words": Filters(terms=wanted(words="!")),
    "created within": Filters(created=(1_000, 3_000)),
    "created within, and metadata": Filters(created=(1_000, 3_000), terms=wanted(metadata={"tier": "tin"})),
    "updated lately": Filters(updated=(2 * CUSTOMERS - 300, LATEST)),
    "updated at some time": Filters(updated=(CUSTOMERS + 500, CUSTOMERS + 900)),
    "updated long ago": Filters(updated=(0, 500)),
    "updated, and a word": Filters(updated=(CUSTOMERS, LATEST), terms=wanted(words="feather")),
    "deleted and updated": Filters(updated=(500, 900), deleted=True),
    "everything": Filters((0, CUSTOMERS), (0, 2 * CUSTOMERS), wanted(words="jo", company_name="Acme"), True),
}

Plan = dict[str, Any]


class Explaining(Database):
    """The pool of lists; it remembers the plan that each statement had."""

    asked: list[tuple[Statement, Plan]]

    async def fetch(self, statement: Statement, *arguments: Any) -> list[Row]:
        explain = Statement(statement.name, f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}")
        (row,) = await super().fetch(explain, *arguments)
        self.asked.append((statement, orjson.loads(row[0])[0]["Plan"]))
        return await super().fetch(statement, *arguments)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(migrated_postgres: EmbeddedPostgres) -> AsyncIterator[TestDatabase]:
    """Many customers, and statistics of them."""
    word = terms_of(M1, {"email": "", "name": "x", "companyName": None, "metadata": None}).terms
    fill = FILL.format(
        m1=M1,
        m2=M2,
        customers=CUSTOMERS,
        tombstones=TOMBSTONES,
        old=OLD,
        per_company=PER_COMPANY,
        tiers="{" + ",".join(digest(metadata={"tier": tier}) for tier in TIERS) + "}",
        source=digest(metadata={"source": "one"}),
        company=digest(company_name="Acme"),
        cohort=digest(metadata={"cohort": "first"}),
        mark=word.removesuffix("x"),
    )
    async with fresh_database(migrated_postgres) as database:
        await run_sql(database.admin_url, fill, "VACUUM ANALYZE projections.customers")
        yield database


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def explaining(filled: TestDatabase) -> AsyncIterator[Explaining]:
    async with Explaining.connect(filled.url, size=1, settings=LIST_SETTINGS) as pool:
        assert isinstance(pool, Explaining)
        yield pool


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def read(plan: Plan) -> int:
    """How many rows a plan read of the table, to show them or to throw them away."""
    tables = [node for node in nodes(plan) if "Relation Name" in node]
    reasons = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(int(node["Actual Rows"]) + sum(int(node.get(r, 0)) for r in reasons) for node in tables)


def by_index(plan: Plan) -> bool:
    tables = [node for node in nodes(plan) if "Relation Name" in node]
    return all({"Index Cond", "Recheck Cond"} & set(node) for node in tables)


def kinds(plan: Plan) -> set[str]:
    return {node["Node Type"] for node in nodes(plan)}


NOBODY = {"metadata of nobody", "a word of nobody", "no words"}

PLACES: dict[str, tuple[Span, Direction]] = {
    "first page": (ALWAYS, OLDER),
    "older": ((0, CUSTOMERS // 2), OLDER),
    "newer": ((CUSTOMERS // 2, LATEST), NEWER),
    "newest of all, from the oldest on": (ALWAYS, NEWER),
}
MOST_READ = 2 * sum(NEAREST) + 2 * OLD
"""Entries of indexes and rows: of those that are looked at step by step, and of those that an index finds."""


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", FILTERS)
async def test_a_page_reads_few_customers_and_all_by_index(
    explaining: Explaining, name: str, place: str
) -> None:
    explaining.asked = []
    page = await CustomerList(explaining, M1, FILTERS[name]).page(LIMIT, *PLACES[place])
    for statement, plan in explaining.asked:
        assert by_index(plan), statement.name
        if statement.name != "search" and FILTERS[name].updated == ALWAYS:
            assert not {"Sort", "Bitmap Heap Scan"} & kinds(plan), (statement.name, orjson.dumps(plan))
    assert sum(read(plan) for _, plan in explaining.asked) <= MOST_READ
    if place == "first page":
        assert bool(page.customers) is (name not in NOBODY)


@pytest.mark.parametrize("name", FILTERS)
async def test_a_total_is_counted_by_index(explaining: Explaining, name: str) -> None:
    explaining.asked = []
    total = await CustomerList(explaining, M1, FILTERS[name]).total()
    assert [statement.name for statement, plan in explaining.asked if not by_index(plan)] == []
    assert bool(total.number) is (name not in NOBODY)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("metadata of the oldest", "customers_by_terms"),
        ("the words of an email", "customers_by_terms"),
        ("updated at some time", "customers_by_update"),
    ],
)
async def test_those_who_are_not_near_are_found_by_the_index_of_their_filter(
    explaining: Explaining, name: str, index: str
) -> None:
    explaining.asked = []
    await CustomerList(explaining, M1, FILTERS[name]).page(LIMIT)
    statement, plan = explaining.asked[-1]
    assert statement.name == "search"
    assert index in {node.get("Index Name") for node in nodes(plan)}


async def test_without_a_filter_a_page_reads_no_more_than_it_shows(explaining: Explaining) -> None:
    explaining.asked = []
    await CustomerList(explaining, M1, Filters()).page(LIMIT)
    ((_, plan),) = explaining.asked
    assert read(plan) == LIMIT + 1


async def test_these_tests_see_a_table_that_is_read_whole(explaining: Explaining) -> None:
    explaining.asked = []
    await explaining.fetch(Statement("whole", "SELECT FROM projections.customers WHERE version = $1"), 2)
    ((_, plan),) = explaining.asked
    assert not by_index(plan)
    assert read(plan) == CUSTOMERS
