"""NATS JetStream, the one module that knows nats-py: streams, atomic batches, pulls.

In: subjects, headers and bytes. Out: `StreamMessage`s and acknowledgements. nats-py's exceptions get our
names here. A connection that breaks is not mended but reported: whoever uses it must look at the stream
again before going on, and nats-py's own reconnection would send late what it had buffered.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import SecureConnWantedError, UnexpectedEOF

from events.errors import BatchRefused, BrokerRefused, BrokerUnavailable
from events.randomness import random_bytes
from events.stream.answers import DUPLICATE_IN_BATCH, NOT_FOUND, StreamMessage, StreamState, checked, state_of
from events.stream.broker import CONNECT_SECONDS, Broker, as_broker, why
from events.stream.frames import batch_headers, frame, header_lines, stored_headers
from events.stream.nkeys import public_key, sign
from events.stream.pull import Pull, Pulled, consumer_config
from events.wire.message import Message

REQUEST_SECONDS = 5.0
BATCH_SECONDS = 10.0
ERASED_AT_ONCE = 64
FEW = 4
"""Messages that are there sooner one by one: for a batch the server makes files of its own, which is dear."""
MOST_IN_A_BATCH = 1000
"""The server's limit of messages in one atomic batch."""


class JetStream:
    """One connection. Every method may raise BrokerUnavailable; then the connection is of no more use."""

    def __init__(self, client: Client, inbox: str) -> None:
        self._client = client
        self._inbox = inbox

    @classmethod
    @asynccontextmanager
    async def connect(cls, broker: Broker | str) -> AsyncIterator[JetStream]:
        """A connection for a block. Raises BrokerUnavailable when there is none to be had."""
        broker = as_broker(broker)
        client = _Client(broker)
        await _connect(client, broker)
        try:
            yield cls(client, broker.inbox)
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

    async def publish_in_order(self, messages: Sequence[Message], *, last_sequence: int) -> int:
        """Publish in order, if the stream still ends with `last_sequence`; its new end.

        FEW leave one after another, each naming the end that the one before made; more, at most
        MOST_IN_A_BATCH, as an atomic batch, all or none. Raises BatchRefused: of an atomic batch nothing is
        there, of a few perhaps the first. After BrokerUnavailable the outcome is unknown.
        """
        if len(messages) <= FEW:
            for message in messages:
                last_sequence = await self._publish_after(last_sequence, message)
            return last_sequence
        batch = random_bytes(12).hex()
        async with _translated("publishing a batch"):
            frames = [
                frame(message, batch_headers(batch, number, last_sequence))
                for number, message in enumerate(messages[:-1], 1)
            ]
            await self._send(frames)
        message = messages[-1]
        last = batch_headers(batch, len(messages), last_sequence) | {"Nats-Batch-Commit": "1"}
        acknowledged = await self._acknowledged(message, last)
        if acknowledged.get("count") != len(messages):
            raise BatchRefused(f"{acknowledged.get('count')} of {len(messages)} messages were taken", 0)
        sequence: int = acknowledged["seq"]
        return sequence

    async def _publish_after(self, sequence: int, message: Message) -> int:
        """Publish one message behind this sequence; its own."""
        expected = {"Nats-Expected-Last-Sequence": str(sequence)}
        acknowledged = await self._acknowledged(message, expected)
        if acknowledged.get("duplicate") or acknowledged["seq"] != sequence + 1:
            raise BatchRefused("the stream has the message already", DUPLICATE_IN_BATCH)
        return sequence + 1

    async def _acknowledged(self, message: Message, more: dict[str, str]) -> dict[str, Any]:
        """What the server says of the message with more headers. Raises BatchRefused."""
        async with _translated("publishing a batch"):
            answer = await self._client.request(
                message.subject, message.body, timeout=BATCH_SECONDS, headers={**message.headers, **more}
            )
        try:
            return checked(orjson.loads(answer.data))
        except BrokerRefused as error:
            raise BatchRefused(str(error), error.code) from None

    # In

    @asynccontextmanager
    async def pull(self, stream: str, durable: str, *, most: int) -> AsyncIterator[Pull]:
        """Deliveries of a durable consumer, made if it is not there, for a block.

        Raises BrokerRefused when there is no such stream (the name is in its text).
        """
        wanted = {"stream_name": stream, "config": consumer_config(durable, most)}
        try:
            await self._api(f"CONSUMER.CREATE.{stream}.{durable}", wanted)
        except BrokerRefused as error:
            if error.code == NOT_FOUND:
                raise BrokerRefused(f"waiting for the stream {stream}", error.code) from None
            raise
        pull = Pull(self._client.publish, self._inbox, stream, durable, most)
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
        await self._client._send_command(b"".join(frames))  # noqa: SLF001  # nats-py has no public way to it

    async def _get(self, stream: str, what: dict[str, Any]) -> StreamMessage | None:
        try:
            found = (await self._api(f"STREAM.MSG.GET.{stream}", what))["message"]
        except BrokerRefused as error:
            if error.code == NOT_FOUND:
                return None
            raise
        return StreamMessage(found["seq"], found["subject"], stored_headers(found.get("hdrs", "")))

    async def _api(self, operation: str, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
        async with _translated(operation):
            answer = await self._client.request(
                f"$JS.API.{operation}", orjson.dumps(request or {}), timeout=REQUEST_SECONDS
            )
        return checked(orjson.loads(answer.data))


class _Client(Client):
    """nats-py's client, but for how it connects, and its reading of headers, half of a worker's time."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker
        self.complaint: Exception | None = None

    async def heard(self, error: Exception) -> None:
        """Keep what nats-py tells beside: whatever was asked meanwhile fails, too, and is told there."""
        self.complaint = error

    def hang_up(self) -> None:
        """End what did not become a connection; `close` would wait for TLS that never was."""
        for task in (self._reading_task, self._ping_interval_task, self._flusher_task):
            if task is not None:
                task.cancel()
        if self._transport:
            self._transport.close()  # type: ignore[no-untyped-call]  # nats-py's own

    def _setup_nkeys_seed_connect(self) -> None:
        """The same without the library that nats-py has for it."""
        seed = self._broker.seed or ""
        self._public_nkey = public_key(seed)
        self._signature_cb = lambda nonce: b64encode(sign(seed, nonce.encode()))

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """Also refuse to go on without TLS, before anything is said: whoever is between could ask that."""
        if initial_connection and self._broker.wants_tls and not info.get("tls_required"):
            raise SecureConnWantedError
        await super()._process_info(info, initial_connection)

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        return header_lines(raw)


@asynccontextmanager
async def _translated(what: str) -> AsyncIterator[None]:
    try:
        yield
    except (NatsError, OSError, EOFError, TimeoutError) as error:
        reason = str(error).removeprefix("nats: ") or type(error).__name__
        raise BrokerUnavailable(f"{what}: {reason}") from error


async def _connect(client: _Client, broker: Broker) -> None:
    """Try every server, the refused ones once more. Raises BrokerUnavailable."""
    reason: Exception | None = None
    try:
        async with asyncio.timeout(CONNECT_SECONDS * len(broker.servers)):
            await client.connect(**broker.options(), error_cb=client.heard)
    except (NatsError, OSError, EOFError, TimeoutError) as error:
        reason = error
    if not client.is_connected:  # also without an error, where the server hung up in place of its answer
        reason = client.complaint or reason or UnexpectedEOF()
        client.hang_up()
        raise BrokerUnavailable(f"NATS cannot be reached: {why(reason, broker)}") from reason
