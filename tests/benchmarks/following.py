"""What follows the API, beside it: a relay and a worker, a process each; and how far behind they are."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from events.stream.jetstream import JetStream
from service.projecting import ensure_billing_streams
from tests.benchmarks.bench import Bench
from tests.benchmarks.ours import working

LAG = """
    SELECT
        (SELECT count(*) FROM events.outbox),
        (SELECT sum(m.position) FROM events.merchants AS m)::bigint
        - (SELECT coalesce(sum(p.position), 0) FROM projections.progress AS p
           WHERE p.projection = 'customers')::bigint
"""


class Lag(NamedTuple):
    """Events that are stored and not published, and events that are stored and not in the read model."""

    outbox: int
    read_model: int


@contextlib.asynccontextmanager
async def following(bench: Bench, name: str, nats_url: str) -> AsyncIterator[None]:
    """Run both, on the database of this name, for the length of the block."""
    async with JetStream.connect(nats_url) as stream:
        await ensure_billing_streams(stream)
    where = bench.databases, bench.directory
    async with (
        working("relay", *where, name=name, nats_url=nats_url),
        working("project", *where, name=name, nats_url=nats_url),
    ):
        yield


async def lag(connection: Any) -> Lag:
    """Give how far behind they are now."""
    return Lag(*await connection.fetchrow(LAG))
