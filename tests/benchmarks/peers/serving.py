"""How all peers are started: their command line, and aiohttp on uvloop without an access log."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvloop
from aiohttp import web


@dataclass(frozen=True)
class Options:
    """How a peer is started: `merchants` maps an API key to its merchant, `lean` is for P1."""

    port: int
    database_url: str
    merchants: dict[str, str]
    lean: bool = False


def options_from_arguments() -> Options:
    """Read `<port> <database url> <keys file> [lean]` from the command line."""
    port, database_url, keys = sys.argv[1:4]
    return Options(int(port), database_url, orjson.loads(Path(keys).read_bytes()), "lean" in sys.argv[4:])


def run(app: web.Application, port: int) -> None:
    """Serve on loopback until SIGTERM."""
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, loop=uvloop.new_event_loop(), print=None)
