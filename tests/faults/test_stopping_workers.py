"""SIGTERM ends a relay and a projector at once, cleanly, at work or standing by (F4)."""

from __future__ import annotations

import pytest

from tests.support.databases import TestDatabase
from tests.support.deployment import deployed
from tests.support.relaying import own_nats


@pytest.mark.parametrize("command", ["relay", "project"])
async def test_a_signal_ends_it_cleanly(database: TestDatabase, command: str) -> None:
    with own_nats() as server:
        async with (
            deployed(database) as deployment,
            deployment.works(command, nats_url=server.url) as active,
            deployment.works(command, nats_url=server.url) as other,
        ):
            for process in (active, other):
                process.terminate()
            assert [await process.ended(10) for process in (active, other)] == [0, 0]
            assert "Traceback" not in active.said() + other.said()
