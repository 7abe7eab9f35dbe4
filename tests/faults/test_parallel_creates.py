"""Many creates of one email at once, over two processes: exactly one wins (F27)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from service.embedded.postgres import EmbeddedPostgres
from tests.support.api import Answer
from tests.support.processes import Processes, two_processes

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREATES = 50
LOCAL_PARTS = (
    "jörg.strasse",
    "JÖRG.STRASSE",
    "jo\u0308rg.straße",
    "Jörg.Straße",
    "\uff4aörg.strasse",
)
DOMAINS = (
    "bücher.example.com",
    "BÜCHER.example.com",
    "bu\u0308cher.Example.COM",
    "xn--bcher-kva.example.com",
    "XN--BCHER-KVA.EXAMPLE.COM",
)
SPELLINGS = [
    f"{space}{local_part}@{domain}" for space in ("", " ") for local_part in LOCAL_PARTS for domain in DOMAINS
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_processes(migrated_postgres: EmbeddedPostgres) -> AsyncIterator[Processes]:
    async with two_processes(migrated_postgres) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def processes(shared_processes: Processes) -> Processes:
    return await shared_processes.of_new_merchant()


async def create_all_at_once(processes: Processes) -> list[Answer]:
    """One create for each spelling, every other one at the other process."""
    clients = processes.clients(CREATES)
    pairs = zip(clients, SPELLINGS, strict=True)
    return await asyncio.gather(*(client.create(email=email) for client, email in pairs))


async def test_of_50_creates_of_one_email_spelled_differently_one_wins(processes: Processes) -> None:
    assert len(set(SPELLINGS)) == CREATES
    answers = await create_all_at_once(processes)
    assert Counter(answer.status for answer in answers) == {201: 1, 409: CREATES - 1}
    assert {answer.refusal() for answer in answers if answer.status == 409} == {(409, "duplicate_email")}
    assert await processes.deployment.stored() == {
        "customer_events": 1,
        "customer_keys": 1,
        "email_claims": 1,
        "idempotency_keys": 0,
        "outbox": 1,
    }
    await processes.check()


async def test_every_spelling_finds_the_one_that_won(processes: Processes) -> None:
    answers = await create_all_at_once(processes)
    [winner] = [answer.json() for answer in answers if answer.status == 201]
    clients = processes.clients(CREATES)
    pairs = zip(clients, SPELLINGS, strict=True)
    found = await asyncio.gather(*(client.ids(email=email) for client, email in pairs))
    assert found == [[winner["id"]]] * CREATES


async def test_of_many_changes_to_one_email_one_wins(processes: Processes) -> None:
    clients = processes.clients(20)
    customers = [
        await client.created(email=f"c{number}@example.com") for number, client in enumerate(clients)
    ]
    pairs = zip(clients, customers, SPELLINGS, strict=False)
    answers = await asyncio.gather(
        *(client.patch(customer["id"], email=email) for client, customer, email in pairs)
    )
    assert Counter(answer.status for answer in answers) == {200: 1, 409: 19}
    await processes.check()


async def test_a_freed_email_goes_to_one_of_those_who_want_it(processes: Processes) -> None:
    [owner] = [answer.json() for answer in await create_all_at_once(processes) if answer.status == 201]
    await processes.clients(1)[0].delete(owner["id"])
    answers = await create_all_at_once(processes)
    assert Counter(answer.status for answer in answers) == {201: 1, 409: CREATES - 1}
    await processes.check()


async def test_deletes_and_creates_of_one_email_never_leave_two_owners(processes: Processes) -> None:
    async def take_and_free(number: int) -> int:
        client = processes.clients(2)[number % 2]
        taken = 0
        for email in SPELLINGS[number::4]:
            answer = await client.create(email=email)
            assert answer.status in {201, 409}
            if answer.status == 201:
                taken += 1
                assert await client.ids(email=SPELLINGS[0]) == [answer.json()["id"]]
                assert (await client.delete(answer.json()["id"])).status == 200
        return taken

    taken = await asyncio.gather(*(take_and_free(number) for number in range(4)))
    stored = await processes.deployment.stored()
    assert (stored["customer_events"], stored["email_claims"]) == (2 * sum(taken), 0)
    await processes.check()
