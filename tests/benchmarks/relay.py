"""The relay: how fast a full outbox leaves for JetStream, each batch on the disk before it is confirmed."""

from __future__ import annotations

import psutil

from events.wire.message import STREAM
from tests.benchmarks.backlog import fill
from tests.benchmarks.bench import Bench
from tests.benchmarks.broker import Broker
from tests.benchmarks.cluster import SERVERS, cluster
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.ours import working
from tests.benchmarks.progress import watch
from tests.benchmarks.waiting import until

NAME = "relay"
TARGET = 20_000  # messages/s
CLUSTER_TARGET = 15_000  # messages/s


async def run(bench: Bench) -> None:
    """Fill an outbox, then let one relay empty it; the same to a cluster, which keeps each message thrice."""
    await _relay(bench, NAME, "Relay, from a full outbox", bench.broker, replicas=1, at_least=TARGET)
    async with cluster(bench.directory) as broker:
        title = f"Relay, from a full outbox to {SERVERS} servers"
        await _relay(bench, f"{NAME}_cluster", title, broker, replicas=SERVERS, at_least=CLUSTER_TARGET)


async def _relay(
    bench: Bench, name: str, title: str, broker: Broker, *, replicas: int, at_least: float
) -> None:
    await fill(bench, name)
    nats_url = await broker.emptied()
    await bench.settle(name)

    async def last_sequence() -> int:
        return (await broker.end(STREAM)).last_sequence

    where = bench.databases, bench.directory
    async with working("relay", *where, name=name, nats_url=nats_url, replicas=replicas) as relay:
        relay_process = psutil.Process(relay.pid)
        await watch(
            bench,
            title,
            "messages",
            reached=last_sequence,
            until=bench.plan.backlog,
            at_least=at_least,
            processes={
                "the relay": lambda: [relay_process],
                "PostgreSQL": bench.databases.processes,
                "NATS": broker.processes,
            },
        )
        await published(bench, name, broker)


async def published(bench: Bench, name: str, broker: Broker) -> None:
    """Wait for an empty outbox. Raises BenchmarkFailed when the stream does not hold each event once."""

    async def is_empty() -> bool:
        return await bench.databases.rows(name, "events.outbox") == 0

    await until(is_empty, f"{name}: an empty outbox")
    end = await broker.end(STREAM)
    if not end.messages == end.subjects == bench.plan.backlog:
        raise BenchmarkFailed(f"{bench.plan.backlog} customers were created, and the stream has {end}")
