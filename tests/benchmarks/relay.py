"""The relay: how fast a full outbox leaves for JetStream, each batch on the disk before it is confirmed."""

from __future__ import annotations

import psutil

from events.message import STREAM
from tests.benchmarks.backlog import fill
from tests.benchmarks.bench import Bench
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.ours import working
from tests.benchmarks.progress import watch
from tests.benchmarks.waiting import until

NAME = "relay"
TARGET = 20_000  # messages/s


async def run(bench: Bench) -> None:
    """Fill an outbox, then let one relay empty it."""
    await fill(bench, NAME)
    nats_url = await bench.broker.emptied()
    await bench.settle(NAME)

    async def last_sequence() -> int:
        return (await bench.broker.end(STREAM)).last_sequence

    async with working("relay", bench.databases, bench.directory, name=NAME, nats_url=nats_url) as relay:
        relay_process = psutil.Process(relay.pid)
        await watch(
            bench,
            "Relay, from a full outbox",
            "messages",
            reached=last_sequence,
            until=bench.plan.backlog,
            at_least=TARGET,
            processes={
                "the relay": lambda: [relay_process],
                "PostgreSQL": bench.databases.processes,
                "NATS": lambda: [bench.broker.process()],
            },
        )
        await published(bench, NAME)


async def published(bench: Bench, name: str) -> None:
    """Wait for an empty outbox. Raises BenchmarkFailed when the stream does not hold each event once."""

    async def is_empty() -> bool:
        return await bench.databases.rows(name, "events.outbox") == 0

    await until(is_empty, f"{name}: an empty outbox")
    end = await bench.broker.end(STREAM)
    if not end.messages == end.subjects == bench.plan.backlog:
        raise BenchmarkFailed(f"{bench.plan.backlog} customers were created, and the stream has {end}")
