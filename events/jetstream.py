"""NATS JetStream, the one module that knows nats-py: streams, atomic batches, pulls.

In: subjects, headers and bytes. Out: `StreamMessage`s and acknowledgements. nats-py's exceptions get our
names here. A connection that breaks is not mended but reported: whoever uses it must look at the stream
again before going on, and nats-py's own reconnection would send late what it had buffered.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
from nats.aio.client import Client
from nats.errors import Error as NatsError

from events.errors import BatchRefused, BrokerRefused, BrokerUnavailable
from events.message import Message
from events.pull import Pull, Pulled
from events.randomness import random_bytes
from events.stream_answers import NOT_FOUND, StreamMessage, StreamState, checked, state_of

CONNECT_SECONDS = 3
REQUEST_SECONDS = 5.0
BATCH_SECONDS = 10.0
PING_SECONDS = 5
ERASED_AT_ONCE = 64
MOST_IN_A_BATCH = 1000
"""The server's limit of messages in one atomic batch."""

_SECOND = 1_000_000_000  # ns


class JetStream:
    """One connection. Every method may raise BrokerUnavailable; then the connection is of no more use."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str) -> AsyncIterator[JetStream]:
        """A connection for a block. Raises BrokerUnavailable when there is none to be had."""
        client = _Client()
        try:
            async with asyncio.timeout(CONNECT_SECONDS), _translated("NATS cannot be reached"):
                await client.connect(
                    url,
                    name="customers",
                    allow_reconnect=False,
                    max_reconnect_attempts=0,
                    connect_timeout=CONNECT_SECONDS,
                    ping_interval=PING_SECONDS,
                    max_outstanding_pings=2,
                    error_cb=_heard,
                )
        except TimeoutError:
            raise BrokerUnavailable("NATS cannot be reached: no answer in time") from None
        try:
            yield cls(client)
        finally:
            with suppress(NatsError, OSError, TimeoutError):
                async with asyncio.timeout(REQUEST_SECONDS):
                    await client.close()

    @property
    def largest(self) -> int:
        """How many bytes a message may have, with its headers."""
        return int(self._client.max_payload)

    # Streams

    async def stream(self, name: str) -> StreamState | None:
        """The stream's state, or None when there is no such stream."""
        try:
            info = await self._api(f"STREAM.INFO.{name}")
        except BrokerRefused as error:
            if error.code == NOT_FOUND:
                return None
            raise
        return state_of(info)

    async def create_stream(self, config: Mapping[str, Any]) -> StreamState:
        """Make a stream, or find it made with this configuration already. Raises BrokerRefused."""
        return state_of(await self._api(f"STREAM.CREATE.{config['name']}", config))

    async def update_stream(self, config: Mapping[str, Any]) -> StreamState:
        """Change the settings of a stream to exactly these. Raises BrokerRefused."""
        return state_of(await self._api(f"STREAM.UPDATE.{config['name']}", config))

    async def read(self, stream: str, sequence: int) -> StreamMessage | None:
        """The message with this sequence, None when it is gone. Asks the stream's leader, never a replica."""
        return await self._get(stream, {"seq": sequence})

    async def last(self, stream: str, subjects: str) -> StreamMessage | None:
        """The last message on these subjects (wildcards allowed), None when there is none."""
        return await self._get(stream, {"last_by_subj": subjects})

    async def first(self, stream: str, subject: str, *, after: int = 0) -> StreamMessage | None:
        """The first message on a subject beyond a sequence, None when there is none."""
        return await self._get(stream, {"next_by_subj": subject, "seq": after + 1})

    async def erase(self, stream: str, subject: str, *, before: int | None = None) -> None:
        """Delete the messages on a subject, all or those before a sequence, and overwrite them on disk.

        STREAM.PURGE would forget the messages and leave their bytes in the files until those are compacted.
        Raises BrokerRefused.
        """
        while sequences := await self._first_on(stream, subject, before):
            await self.delete(stream, sequences)

    async def delete(self, stream: str, sequences: Sequence[int]) -> None:
        """Delete these messages, and overwrite them on disk. Raises BrokerRefused."""
        await asyncio.gather(
            *(self._api(f"STREAM.MSG.DELETE.{stream}", {"seq": sequence}) for sequence in sequences)
        )

    async def _first_on(self, stream: str, subject: str, before: int | None) -> list[int]:
        """The first sequences of a subject's messages, at most ERASED_AT_ONCE, all below `before`."""
        found: list[int] = []
        while len(found) < ERASED_AT_ONCE:
            message = await self.first(stream, subject, after=found[-1] if found else 0)
            if message is None or (before is not None and message.sequence >= before):
                break
            found.append(message.sequence)
        return found

    # Out

    async def publish(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Publish one message and wait until a stream has it. Raises BrokerRefused when none takes it."""
        async with _translated("publishing"):
            answer = await self._client.request(subject, body, timeout=REQUEST_SECONDS, headers=headers)
        checked(orjson.loads(answer.data))

    async def tell(self, subject: str, body: bytes) -> None:
        """Publish to whoever listens now, stream or not; it has reached the server."""
        async with _translated("publishing"):
            await self._client.publish(subject, body)
            await self._client.flush(timeout=CONNECT_SECONDS)

    async def publish_batch(self, messages: Sequence[Message], *, last_sequence: int) -> int:
        """Publish all or none, in order, if the stream still ends with `last_sequence`; its new end.

        At most MOST_IN_A_BATCH. Raises BatchRefused: nothing was published. After BrokerUnavailable the
        outcome is unknown. Headers of the protocol: nats-server ADR-50.
        """
        batch = random_bytes(12).hex()
        async with _translated("publishing a batch"):
            frames = [
                _frame(message.subject, _of_batch(message, batch, number, last_sequence), message.body)
                for number, message in enumerate(messages[:-1], 1)
            ]
            await self._send(frames)
            message = messages[-1]
            headers = _of_batch(message, batch, len(messages), last_sequence) | {"Nats-Batch-Commit": "1"}
            answer = await self._client.request(
                message.subject, message.body, timeout=BATCH_SECONDS, headers=headers
            )
        try:
            acknowledged = checked(orjson.loads(answer.data))
        except BrokerRefused as error:
            raise BatchRefused(str(error), error.code) from None
        if acknowledged.get("count") != len(messages):
            raise BatchRefused(f"{acknowledged.get('count')} of {len(messages)} messages were taken", 0)
        sequence: int = acknowledged["seq"]
        return sequence

    # In

    @asynccontextmanager
    async def pull(self, stream: str, durable: str, *, most: int) -> AsyncIterator[Pull]:
        """Deliveries of a durable consumer, made if it is not there, for a block.

        Raises BrokerRefused when there is no such stream (the name is in its text).
        """
        config = {
            "durable_name": durable,
            "ack_policy": "explicit",
            "deliver_policy": "all",
            "ack_wait": 30 * _SECOND,
            "max_ack_pending": 4 * most,
            "max_deliver": -1,
        }
        try:
            await self._api(
                f"CONSUMER.DURABLE.CREATE.{stream}.{durable}", {"stream_name": stream, "config": config}
            )
        except BrokerRefused as error:
            if error.code == NOT_FOUND:
                raise BrokerRefused(f"waiting for the stream {stream}", error.code) from None
            raise
        pull = Pull(self._client.publish, stream, durable, most)
        async with _translated("pulling"):
            subscription = await self._client.subscribe(
                pull.inbox, cb=pull.take, pending_msgs_limit=-1, pending_bytes_limit=-1
            )
        try:
            yield pull
        finally:
            with suppress(NatsError, OSError):
                await subscription.unsubscribe()

    async def acknowledge(self, pulled: Sequence[Pulled]) -> None:
        """Tell that these are done with, and need not be delivered again."""
        async with _translated("acknowledging"):
            await self._send([b"PUB %b 4\r\n+ACK\r\n" % one.ack.encode() for one in pulled[:-1]])
            await self._client.publish(pulled[-1].ack, b"+ACK")

    async def _send(self, frames: Sequence[bytes]) -> None:
        """Put whole frames before what is published next."""
        # nats-py has no public way to it, and takes longer over a message's headers than we over the message.
        await self._client._send_command(b"".join(frames))  # noqa: SLF001

    async def _get(self, stream: str, what: dict[str, Any]) -> StreamMessage | None:
        try:
            found = (await self._api(f"STREAM.MSG.GET.{stream}", what))["message"]
        except BrokerRefused as error:
            if error.code == NOT_FOUND:
                return None
            raise
        return StreamMessage(found["seq"], found["subject"], _headers(found.get("hdrs", "")))

    async def _api(self, operation: str, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
        async with _translated(operation):
            answer = await self._client.request(
                f"$JS.API.{operation}", orjson.dumps(request or {}), timeout=REQUEST_SECONDS
            )
        return checked(orjson.loads(answer.data))


_BLANK = " \t\n\r\x0b\x0c"
"""White space of ASCII, as bytes have it."""


class _Client(Client):
    """nats-py's client, but for its reading of headers, which takes half of a worker's time."""

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        """The same result: names without white space in them, values without white space around them."""
        lines = (line.partition(":") for line in raw.decode("utf-8", "replace").split("\r\n"))
        pairs = ((name.strip(_BLANK), value.strip(_BLANK)) for name, colon, value in lines if colon)
        return {name: value for name, value in pairs if _is_token(name)}


def _is_token(name: str) -> bool:
    return name.isascii() and (not name or name.split() == [name])


def _of_batch(message: Message, batch: str, number: int, last_sequence: int) -> dict[str, str]:
    headers = {**message.headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
    if number == 1:
        headers["Nats-Expected-Last-Sequence"] = str(last_sequence)
    return headers


def _frame(subject: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A message as it goes over the wire (NATS client protocol, HPUB). No header may hold a line end."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = f"NATS/1.0\r\n{lines}\r\n".encode()
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (subject.encode(), len(head), len(head) + len(body), head, body)


def _headers(encoded: str) -> dict[str, str]:
    """The headers of a message as the server's API has them: base64 of a line `NATS/1.0`, then theirs."""
    lines = b64decode(encoded).decode(errors="replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name: value.strip() for name, _, value in pairs}


@asynccontextmanager
async def _translated(what: str) -> AsyncIterator[None]:
    try:
        yield
    except (NatsError, OSError, EOFError, TimeoutError) as error:
        reason = str(error).removeprefix("nats: ") or type(error).__name__
        raise BrokerUnavailable(f"{what}: {reason}") from error


async def _heard(_: Exception) -> None:
    """Errors that nats-py tells beside: what was asked meanwhile fails, and that is where they are told."""
