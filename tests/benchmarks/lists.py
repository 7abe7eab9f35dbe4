"""Lists of a merchant with a million customers: how long a page takes by each filter, at 200 a second.

Comes in: an API of its own, and a read model filled by COPY. Goes out: facts. Requests are sent when due,
whether or not earlier ones were answered, each with another value; from due to answered is what counts.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson

from projections.search_terms import NO_TERMS, terms_of
from tests.benchmarks.bench import Bench
from tests.benchmarks.customers import PATH
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.ours import ours
from tests.benchmarks.results import Fact

NAME = "lists"
CUSTOMERS = 1_000_000
RATE, COUNT_RATE = 200, 20  # requests/s; counting 10,000 takes some milliseconds of a processor
SECONDS = 5.0  # a filter, at most
PAGE = 20
P99_MILLISECONDS = 20.0

FILL_SECONDS = 900
FIRST_MOMENT = (
    1_700_000_000  # s; a customer is created each second, every 20th is changed a million seconds later
)
PER_COMPANY = 5
PILOTS, EARLY = 1_000, 5_000
"""The oldest customers, known by metadata that nobody else has."""

TIERS = ("gold", "silver", "tin")
FIRST_NAMES = (
    "John",
    "Jane",
    "Maria",
    "Ahmed",
    "Wei",
    "Olga",
    "Pedro",
    "Aiko",
    "Lars",
    "Fatima",
    "Noah",
    "Emma",
)
LAST_NAMES = (
    "Smith",
    "Doe",
    "Garcia",
    "Khan",
    "Chen",
    "Petrov",
    "Silva",
    "Tanaka",
    "Berg",
    "Haddad",
    "Brown",
)

STAGE = """
CREATE UNLOGGED TABLE stage (
    customer_id text, created_at bigint, updated_at bigint, deleted boolean, body bytea,
    terms text, words text
)
"""
FILL = """
INSERT INTO projections.customers
SELECT (SELECT id FROM events.merchants), customer_id, 1, created_at, updated_at, deleted, body,
    array_to_tsvector(string_to_array(terms, ' ')), words
FROM stage
"""

Query = Callable[[int], dict[str, Any]]
"""What the request of this number asks."""


def _someone(number: int) -> int:
    """One customer or another, of all ages alike."""
    return number * 7_919 * 101 % CUSTOMERS


def _second(number: int) -> int:
    return FIRST_MOMENT + number


PAGES: dict[str, Query] = {
    "no filter": lambda _: {},
    "companyName": lambda n: {"companyName": _company(_someone(n))},
    "metadata of a third": lambda n: {"metadata[tier]": TIERS[n % 3]},
    "metadata of one": lambda n: {"metadata[source]": f"ref-{_someone(n)}"},
    "metadata of one and of a third": lambda n: {
        "metadata[source]": f"ref-{_someone(n)}",
        "metadata[tier]": TIERS[_someone(n) % 3],
    },
    f"metadata of the {PILOTS:,} oldest": lambda _: {"metadata[pilot]": "yes"},
    f"metadata of the {EARLY:,} oldest": lambda _: {"metadata[early]": "yes"},
    "q, one letter": lambda n: {"q": "jsmgh"[n % 5]},
    "q, a first name": lambda n: {"q": FIRST_NAMES[n % len(FIRST_NAMES)]},
    "q, first and last name": lambda n: {
        "q": f"{FIRST_NAMES[n % len(FIRST_NAMES)]} {LAST_NAMES[n % len(LAST_NAMES)]}"
    },
    "q, the words of one email": lambda n: {"q": f"{_someone(n)}x@example.com"},
    "q, nobody's": lambda n: {"q": f"nobody{n}"},
    "q of one letter and companyName": lambda n: {"q": "jsmgh"[n % 5], "companyName": _company(_someone(n))},
    "created within an hour": lambda n: {
        "created[gte]": _second(_someone(n)),
        "created[lt]": _second(_someone(n) + 3600),
    },
    "updated lately": lambda n: {"updated[gte]": _second(2 * CUSTOMERS - 10_000 - n)},
    "updated lately, created long ago": lambda n: {
        "updated[gte]": _second(2 * CUSTOMERS - 500_000 - n),
        "created[lt]": _second(CUSTOMERS * 3 // 4),
    },
    "updated long ago": lambda n: {"updated[lt]": _second(1_000 + n)},
    "deleted too": lambda _: {"deleted": "true"},
    "fresh, nothing being behind": lambda _: {"fresh": "true"},
}
COUNTS: dict[str, Query] = {
    "no filter": lambda _: {"count": "true"},
    "companyName": lambda n: {"companyName": _company(_someone(n)), "count": "true"},
    "metadata of a third": lambda n: {"metadata[tier]": TIERS[n % 3], "count": "true"},
}


async def run(bench: Bench) -> None:
    """Fill a read model, then ask for pages by one filter after the other."""
    async with ours(bench.databases, bench.directory, 1, name=NAME) as api:
        async with bench.databases.connected(NAME) as connection:
            with bench.console.status(f"{NAME}: filling the read model with {CUSTOMERS:,} customers"):
                await _fill(connection)
        await bench.settle(NAME)
        async with aiohttp.ClientSession(
            api.url, headers={"X-API-Key": api.keys[0]}, connector=aiohttp.TCPConnector(limit=0)
        ) as session:
            for title, query in PAGES.items():
                await _measure(bench, session, f"Page of {PAGE}, {title}", query, RATE, P99_MILLISECONDS)
            for title, query in COUNTS.items():
                await _measure(
                    bench, session, f"Page of {PAGE} with totalCount, {title}", query, COUNT_RATE, None
                )


async def _measure(
    bench: Bench, session: aiohttp.ClientSession, title: str, query: Query, rate: int, at_most: float | None
) -> None:
    with bench.console.status(f"{NAME}: {title}"):
        await _ask(session, query, rate, 1)
        seconds = await _ask(session, query, rate, min(SECONDS, bench.plan.seconds))
    quantiles = statistics.quantiles(seconds, n=100)
    bench.keep(Fact(f"{title}, p50", quantiles[49] * 1000, "ms"))
    bench.keep(Fact(f"{title}, p99", quantiles[98] * 1000, "ms", at_most))


async def _ask(session: aiohttp.ClientSession, query: Query, rate: int, seconds: float) -> list[float]:
    """Send a request when it is due, for so long; how long each took from then on."""
    began = time.monotonic()
    tasks = []
    for number in range(round(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        path = f"{PATH}?{urlencode(query(number) | {'limit': PAGE})}"
        tasks.append(asyncio.create_task(_get(session, path, due)))
    return await asyncio.gather(*tasks)


async def _get(session: aiohttp.ClientSession, path: str, due: float) -> float:
    async with session.get(path) as answer:
        body = await answer.read()
        if answer.status != 200:
            raise BenchmarkFailed(f"{path} answered {answer.status}: {body.decode(errors='replace')[:500]}")
    return time.monotonic() - due


async def _fill(connection: Any) -> None:
    merchant_id = await connection.fetchval("SELECT id FROM events.merchants")
    await connection.execute(STAGE)
    await connection.copy_records_to_table("stage", records=_rows(merchant_id), timeout=FILL_SECONDS)
    await connection.execute(FILL, timeout=FILL_SECONDS)
    await connection.execute("DROP TABLE stage")
    await connection.execute("VACUUM ANALYZE projections.customers", timeout=FILL_SECONDS)


def _rows(merchant_id: str) -> Iterator[tuple[Any, ...]]:
    chosen = random.Random(1)
    for number in itertools.islice(itertools.count(), CUSTOMERS):
        customer = _customer(number, chosen)
        created = _second(number) * 1_000_000
        updated = created if number % 20 else created + CUSTOMERS * 1_000_000
        if number % 50 == 1:
            tombstone = orjson.dumps({"id": customer["id"], "object": "customer", "deleted": True})
            yield customer["id"], created, updated, True, tombstone, *NO_TERMS
        else:
            body, terms = orjson.dumps(customer), terms_of(merchant_id, customer)
            yield customer["id"], created, updated, False, body, *terms


def _customer(number: int, chosen: random.Random) -> dict[str, Any]:
    first, last = chosen.choice(FIRST_NAMES), chosen.choice(LAST_NAMES)
    metadata = {"tier": TIERS[number % 3], "source": f"ref-{number}"}
    oldest = {"pilot": PILOTS, "early": EARLY}
    return {
        "id": f"cus_{number:026d}",
        "object": "customer",
        "email": f"{first}.{last}.{number}x@example.com".lower(),
        "name": f"{first} {last}",
        "phone": "+1234567890",
        "address": {
            "line1": "123 Main St",
            "line2": "Apt 4B",
            "city": "San Francisco",
            "state": "CA",
            "postalCode": "94102",
            "country": "US",
        },
        "companyName": _company(number),
        "taxId": "12-3456789",
        "description": "VIP customer",
        "metadata": metadata | {key: "yes" for key, most in oldest.items() if number < most},
        "created": _second(number),
        "updated": _second(number),
    }


def _company(number: int) -> str:
    return f"Company {number % (CUSTOMERS // PER_COMPANY)}"
