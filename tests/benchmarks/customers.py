"""The customers that loads create, read and change: the contract's example with an email of its own."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator

import aiohttp

from tests.benchmarks.bench import Bench
from tests.benchmarks.contenders import Contender
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.load import NUMBER, RUN, Load

PATH = "/v1/customers"
AT_ONCE = 32
CREATE = json.dumps(
    {
        "email": f"john.{RUN}.{NUMBER}@example.com",
        "name": "John Doe",
        "phone": "+1234567890",
        "address": {
            "line1": "123 Main St",
            "line2": "Apt 4B",
            "city": "San Francisco",
            "state": "CA",
            "postalCode": "94102",
            "country": "US",
        },
        "companyName": "Acme Inc",
        "taxId": "12-3456789",
        "description": "VIP customer",
        "metadata": {"tier": "gold", "source": "referral"},
    },
    separators=(",", ":"),
)
CHANGE = json.dumps({"description": f"Changed in {RUN} as number {NUMBER}"}, separators=(",", ":"))


def creates(contender: Contender, *, merchants: int | None = None, idempotent: bool = False) -> Load:
    """Creates with an email of its own for each request, spread over the merchants."""
    targets = [(PATH, key) for key in contender.keys[:merchants]]
    return Load(contender.url, "POST", targets, CREATE, idempotent=idempotent, expected_status=201)


async def known(bench: Bench, contender: Contender) -> list[tuple[str, str]]:
    """Give the plan's number of customers as (path, key); they are created through the API the first time."""
    if contender.name not in bench.known:
        numbers = iter(range(bench.plan.customers))
        with bench.console.status(f"{contender.name}: creating {bench.plan.customers:,} customers"):
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:
                shares = await asyncio.gather(*(_create(session, contender, numbers) for _ in range(AT_ONCE)))
        bench.known[contender.name] = list(itertools.chain.from_iterable(shares))
    return bench.known[contender.name]


async def _create(
    session: aiohttp.ClientSession, contender: Contender, numbers: Iterator[int]
) -> list[tuple[str, str]]:
    made = []
    for number in numbers:
        key = contender.keys[number % len(contender.keys)]
        body = CREATE.replace(RUN, "known").replace(NUMBER, str(number))
        headers = {"X-API-Key": key, "Content-Type": "application/json"}
        async with session.post(contender.url + PATH, data=body, headers=headers) as answer:
            if answer.status != 201:
                raise BenchmarkFailed(f"{contender.name} answered {answer.status}: {await answer.text()}")
            customer = await answer.json()
        made.append((f"{PATH}/{customer['id']}", key))
    return made
