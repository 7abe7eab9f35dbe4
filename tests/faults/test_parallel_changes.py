"""Many changes of one customer at once, over two processes (F28): with If-Match one wins, else all count."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from service.embedded.postgres import EmbeddedPostgres
from tests.support.processes import Processes, two_processes

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANGES = 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_processes(migrated_postgres: EmbeddedPostgres) -> AsyncIterator[Processes]:
    async with two_processes(migrated_postgres) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def processes(shared_processes: Processes) -> Processes:
    return await shared_processes.of_new_merchant()


async def test_of_20_patches_with_if_match_one_wins_and_the_rest_are_412(processes: Processes) -> None:
    clients = processes.clients(CHANGES)
    customer_id = (await clients[0].created())["id"]
    answers = await asyncio.gather(
        *(
            client.patch(customer_id, {"If-Match": '"1"'}, name=f"Name {number}")
            for number, client in enumerate(clients)
        )
    )
    assert Counter(answer.status for answer in answers) == {200: 1, 412: CHANGES - 1}
    [winner] = [answer for answer in answers if answer.status == 200]
    for client in clients[:2]:
        assert (await client.get(customer_id)).body == winner.body
    assert await processes.deployment.versions(customer_id) == [1, 2]
    await processes.check()


async def test_20_patches_without_if_match_are_all_applied_and_none_is_lost(processes: Processes) -> None:
    clients = processes.clients(CHANGES)
    customer_id = (await clients[0].created())["id"]
    answers = await asyncio.gather(
        *(
            client.patch(customer_id, metadata={f"key {number}": "set"})
            for number, client in enumerate(clients)
        )
    )
    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.version for answer in answers) == list(range(2, CHANGES + 2))
    # Each answer holds its own change and those of all earlier versions.
    for answer in answers:
        assert len(answer.json()["metadata"]) == answer.version - 1
    for number, answer in enumerate(answers):
        assert answer.json()["metadata"][f"key {number}"] == "set"
    final = await clients[1].get(customer_id)
    assert final.version == CHANGES + 1
    assert set(final.json()["metadata"]) == {f"key {number}" for number in range(CHANGES)}
    await processes.check()


async def test_clients_that_retry_after_412_all_get_their_turn(processes: Processes) -> None:
    clients = processes.clients(6)
    customer_id = (await clients[0].created(metadata={"count": "0"}))["id"]

    async def count_one_up(number: int) -> None:
        client = clients[number]
        while True:
            read = await client.get(customer_id)
            count = int(read.json()["metadata"]["count"]) + 1
            headers = {"If-Match": read.headers["ETag"]}
            answer = await client.patch(customer_id, headers, metadata={"count": str(count)})
            if answer.status == 200:
                return
            assert answer.refusal() == (412, "version_mismatch")

    await asyncio.gather(*(count_one_up(number) for number in range(len(clients))))
    assert (await clients[0].get(customer_id)).json()["metadata"] == {"count": str(len(clients))}


async def test_of_20_deletes_at_once_one_writes_and_all_answer_the_same(processes: Processes) -> None:
    clients = processes.clients(CHANGES)
    customer_id = (await clients[0].created())["id"]
    answers = await asyncio.gather(*(client.delete(customer_id) for client in clients))
    assert {(answer.status, answer.version, answer.body) for answer in answers} == {(200, 2, answers[0].body)}
    assert await processes.deployment.versions(customer_id) == [1, 2]
    await processes.check()


async def test_a_delete_that_races_with_patches_comes_last_and_stays(
    processes: Processes,
) -> None:
    clients = processes.clients(CHANGES)
    customer_id = (await clients[0].created())["id"]
    *patches, deleted = await asyncio.gather(
        *(client.patch(customer_id, phone=str(number)) for number, client in enumerate(clients)),
        clients[1].delete(customer_id),
    )
    applied = [answer.version for answer in patches if answer.status == 200]
    assert {answer.refusal() for answer in patches if answer.status != 200} <= {(404, "customer_not_found")}
    assert sorted([*applied, deleted.version]) == list(range(2, len(applied) + 3))
    assert deleted.version == max([deleted.version, *applied])
    assert (await clients[0].get(customer_id)).json()["deleted"] is True
    await processes.check()
