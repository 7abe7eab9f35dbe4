"""NATS servers for tests, and the least that a test asks of one.

In: a directory, which the server keeps its data in. Out: a running server, or raw JetStream on its URL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import nats
from nats.js import JetStreamContext

from service.embedded.nats import EmbeddedNats

VOLATILE = "2m"  # nothing outlives the run, so nothing needs to reach the disk at once


@contextmanager
def fresh_nats(directory: Path, *, sync_interval: str = VOLATILE) -> Iterator[EmbeddedNats]:
    """A server on this directory, new or as it was left, for a block."""
    server = EmbeddedNats(directory, sync_interval=sync_interval)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def raw_jetstream(url: str) -> AsyncIterator[JetStreamContext]:
    """JetStream as the client library has it."""
    client = await nats.connect(url, allow_reconnect=False)
    try:
        yield client.jetstream()
    finally:
        await client.close()
