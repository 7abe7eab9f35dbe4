"""The one NATS of a run, with `sync_interval: always`; started when the first benchmark asks for it.

Comes in: an EmbeddedNats. Goes out: its URL, without streams, and how far streams and their consumers are.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import nats
import orjson

from service.embedded.nats_program import EmbeddedNatsError
from tests.benchmarks.errors import BenchmarkFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import psutil
    from nats.aio.client import Client

REQUEST_SECONDS = 1
ATTEMPTS = 20
NOT_FOUND = 404


class StreamEnd(NamedTuple):
    """How much a stream holds; all 0 where there is none."""

    last_sequence: int = 0
    messages: int = 0
    subjects: int = 0


class Server(Protocol):
    """What can be started, and then has a URL."""

    @property
    def url(self) -> str:
        """Where it listens."""

    def start(self) -> None:
        """Start, unless it runs."""


class Broker:
    """The server and one connection to it. Whoever made the server stops it."""

    def __init__(self, server: Server, processes: Callable[[], list[psutil.Process]]) -> None:
        self._server = server
        self.processes = processes
        self._client: Client | None = None

    async def __aenter__(self) -> Broker:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def emptied(self) -> str:
        """Give the URL of the server, started if need be, once no stream is left on it."""
        for name in (await self._api("STREAM.NAMES"))["streams"] or ():
            await self._api(f"STREAM.DELETE.{name}")
        return self._server.url

    async def end(self, stream: str) -> StreamEnd:
        """Give how much a stream holds now."""
        state = (await self._api(f"STREAM.INFO.{stream}")).get("state", {})
        return StreamEnd(*(state.get(name, 0) for name in ("last_seq", "messages", "num_subjects")))

    async def acknowledged(self, stream: str, durable: str) -> int:
        """Give the sequence up to which a consumer has acknowledged everything; 0 where there is none."""
        found = await self._api(f"CONSUMER.INFO.{stream}.{durable}")
        return int(found["ack_floor"]["stream_seq"]) if "ack_floor" in found else 0

    async def is_ready(self) -> bool:
        """Tell whether JetStream answers; a cluster without a leader does not."""
        client = self._client or await self._start()
        try:
            answer = await client.request("$JS.API.INFO", b"", timeout=1)
        except nats.errors.Error:
            return False
        return "error" not in orjson.loads(answer.data)

    async def _api(self, operation: str) -> dict[str, Any]:
        content: dict[str, Any] = orjson.loads(await self._answer(f"$JS.API.{operation}"))
        if content.get("error", {}).get("code", NOT_FOUND) != NOT_FOUND:
            raise BenchmarkFailed(f"NATS refused {operation}: {content['error']['description']}")
        return content

    async def _answer(self, subject: str) -> bytes:
        """Ask until somebody answers: a cluster's stream does not while it has no leader."""
        client = self._client or await self._start()
        for _ in range(ATTEMPTS):
            with contextlib.suppress(nats.errors.TimeoutError):
                return (await client.request(subject, b"", timeout=REQUEST_SECONDS)).data
        raise BenchmarkFailed(f"NATS did not answer {subject} within {ATTEMPTS * REQUEST_SECONDS} s")

    async def _start(self) -> Client:
        try:
            await asyncio.to_thread(self._server.start)
        except EmbeddedNatsError as error:
            raise BenchmarkFailed(str(error)) from error
        self._client = await nats.connect(self._server.url, allow_reconnect=False)
        return self._client
