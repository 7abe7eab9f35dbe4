"""A pull consumer: messages as they come, a request for more before they run out.

In: what the server delivers to an inbox. Out: batches of `Pulled`, each as large as what has arrived. Written
on core NATS, since nats-py's `fetch` tells a deleted consumer like an ordinary timeout and can stall.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Mapping
from typing import NamedTuple, Protocol

import orjson

from events.errors import BrokerUnavailable
from events.randomness import random_bytes

HEARTBEAT_SECONDS = 2.0
SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS
"""A pull that hears neither message nor heartbeat for so long has lost its server, or its consumer."""
PULL_SECONDS = 30.0

_SECOND = 1_000_000_000  # ns
_HEARTBEAT = "100"
_ENDED = frozenset({"404", "408"})  # asked for all it could give, or for long enough


class Pulled(NamedTuple):
    """A message delivered to a consumer; `ack` is the subject that acknowledges it."""

    subject: str
    sequence: int
    headers: Mapping[str, str]
    body: bytes
    ack: str


def consumer_config(durable: str, most: int) -> dict[str, object]:
    """A durable consumer of a whole stream, from its beginning; `most` are asked for at a time."""
    return {
        "durable_name": durable,
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "ack_wait": 30 * _SECOND,
        "max_ack_pending": 4 * most,
        "max_deliver": -1,
    }


class Received(Protocol):
    """What a client hands over."""

    subject: str
    reply: str
    data: bytes

    @property
    def headers(self) -> Mapping[str, str] | None:
        """The headers, if there are any."""


class Publish(Protocol):
    """How a client publishes."""

    def __call__(self, subject: str, payload: bytes, reply: str) -> Awaitable[None]:
        """Publish with a subject for replies."""


class Pull:
    """Deliveries of one consumer; `most` at a time."""

    def __init__(self, publish: Publish, inbox: str, stream: str, durable: str, most: int) -> None:
        self.inbox = f"{inbox}.{random_bytes(12).hex()}"
        self._publish = publish
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._most = most
        self._asked = 0
        self._waiting: deque[Pulled] = deque()
        self._heard = asyncio.Event()
        self._trouble: str | None = None

    async def take(self, message: Received) -> None:
        """Take what the server has sent to the inbox."""
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            self._asked -= 1
            self._waiting.append(_pulled(message, headers))
        elif status in _ENDED:
            self._asked = 0
        elif status != _HEARTBEAT:
            self._trouble = f"{status} {headers.get('Description', '')}".strip()
        self._heard.set()

    async def next(self) -> list[Pulled]:
        """What has arrived, at least one. Raises BrokerUnavailable: the server or the consumer is gone."""
        while not self._waiting:
            if self._trouble is not None:
                raise BrokerUnavailable(f"pulling: {self._trouble}")
            if self._asked <= 0:
                await self._ask()
            await self._hear()
        taken = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        if self._asked < self._most // 2:
            await self._ask()
        return taken

    async def _ask(self) -> None:
        request = {
            "batch": self._most,
            "expires": int(PULL_SECONDS * _SECOND),
            "idle_heartbeat": int(HEARTBEAT_SECONDS * _SECOND),
        }
        self._asked += self._most
        await self._publish(self._subject, orjson.dumps(request), self.inbox)

    async def _hear(self) -> None:
        self._heard.clear()
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await self._heard.wait()
        except TimeoutError:
            raise BrokerUnavailable("pulling: nothing is heard any more") from None


def _pulled(message: Received, headers: Mapping[str, str]) -> Pulled:
    tokens = message.reply.split(".")
    # $JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>…; newer servers put domain and account before.
    sequence = int(tokens[5] if len(tokens) == 9 else tokens[7])
    return Pulled(message.subject, sequence, headers, message.data, message.reply)
