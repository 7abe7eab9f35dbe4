"""A NATS cluster of three servers on this machine, with `sync_interval: always`.

Comes in: a directory. Goes out: a Broker on the cluster, with the processes of all servers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from service.embedded.nats_program import program, quoted
from tests.benchmarks.broker import Broker
from tests.benchmarks.processes import free_port, running, says
from tests.benchmarks.waiting import until

SERVERS = 3
CONFIGURATION = """\
listen: 127.0.0.1:{port}
server_name: {name}
jetstream {{
  store_dir: {data}
  sync_interval: always
}}
cluster {{
  name: benchmark
  listen: 127.0.0.1:{own_route}
  routes: [{routes}]
}}
"""


class Server:
    """One of them, as a Broker sees it."""

    def __init__(self, port: int) -> None:
        self.url = f"nats://127.0.0.1:{port}"

    def start(self) -> None:
        """It runs already."""


@contextlib.asynccontextmanager
async def cluster(directory: Path) -> AsyncIterator[Broker]:
    """Run the servers for the length of the block."""
    ports, routes = ([free_port() for _ in range(SERVERS)] for _ in range(2))
    pids = []
    async with contextlib.AsyncExitStack() as stack:
        for number, port in enumerate(ports):
            own = directory / f"cluster-{number}"
            own.mkdir()
            text = CONFIGURATION.format(
                port=port,
                name=f"benchmark-{number}",
                data=quoted(own / "data"),
                own_route=routes[number],
                routes=", ".join(f"nats://127.0.0.1:{route}" for route in routes),
            )
            (own / "nats.conf").write_text(text)
            log = directory / f"cluster-{number}.log"
            command = [str(program()), "--config", str(own / "nats.conf")]
            server = running(
                command,
                ready=says("Listening for route connections", log),
                log=log,
                environment=dict(os.environ),
            )
            pids.append((await stack.enter_async_context(server)).pid)
        broker = await stack.enter_async_context(
            Broker(Server(ports[0]), lambda: [psutil.Process(pid) for pid in pids])
        )
        await until(broker.is_ready, "a cluster with a leader")
        yield broker
