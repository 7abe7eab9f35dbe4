"""A merchant's customer events, in order, without gaps: one file to take along into a project of your own.

In: NATS JetStream and, while that is away or where it has a gap, the feed `GET /v1/events`. Out: an async
iterator of `CustomerEvent`s, each acknowledged after the body of the loop: at least once. Needs Python
>= 3.11, nats-py and aiohttp, nothing of the service. What it promises: README.md beside it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from ssl import SSLContext
from typing import Any, Literal, Self, cast, get_args

import aiohttp
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

log = logging.getLogger("customer_events")

STREAM = "CUSTOMERS"
PREFETCH = 500  # messages pulled ahead; as many may wait for an acknowledgement
PAGE = 100  # events asked of the feed at once
ACK_SECONDS = 10  # after so long what a killed subscriber had pulled ahead is delivered again
PULL_SECONDS, HEARTBEAT_SECONDS = 30, 2
SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS  # without a heartbeat for so long, server or consumer is gone
FIRST_IDLE, LAST_IDLE = 0.5, 10.0  # seconds of silence until the feed is asked, twice as long each time
WAIT_SECONDS = 10  # how long the feed may wait for an event
ANSWER_SECONDS = 5  # how long a server may take to answer
FIRST_PAUSE, LAST_PAUSE = 0.1, 10.0  # seconds between attempts, twice as long each time
LONGEST_RETRY_AFTER = 60.0  # seconds

EventType = Literal["customer.created", "customer.updated", "customer.deleted", "customer.erased"]

_TYPES = frozenset(get_args(EventType))
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MALFORMED = (KeyError, TypeError, ValueError, RecursionError)
_API = "$JS.API.CONSUMER"
_SECOND = 1_000_000_000  # ns


class SubscriberError(Exception):
    """What ends a subscription; its text says what to do."""


class HistoryChanged(SubscriberError):
    """The merchant's history is not the one that was told. Empty your copy and begin anew with after=0."""


class Refused(SubscriberError):
    """The API refuses the key or the request; asking again would not help."""


class _Away(Exception):
    """A server cannot be reached, or does not work, at the moment."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class CustomerEvent:
    """One change of one customer."""

    type: EventType
    """After `customer.erased` forget all that you keep of this person, in copies and logs, too."""
    customer_id: str
    data: dict[str, Any]
    """The customer after the change; `{"id", "object", "deleted": true}` once deleted or erased."""
    previous_attributes: dict[str, Any]
    """The merge patch (RFC 7396) that leads back to what was before."""
    version: int
    """1, 2, … of the customer."""
    position: int
    """1, 2, … of the merchant's ledger: keep it beside your data, in the same transaction."""
    epoch: int
    """Which history of the ledger this is: keep it beside the position."""
    timestamp: datetime
    actor: str | None
    hash: str = ""
    """Of the ledger up to this event, in hex; empty if the event came from the feed."""
    previous_hash: str = ""

    @property
    def partial(self) -> bool:
        """Whether `data` has ids alone, as of somebody who was erased since: there is nothing to keep."""
        return "email" not in self.data and not self.data.get("deleted")


class CustomerEvents:
    """The events of one merchant, for one reader at a time: `async with`, then `async for`.

    `after`, the position that you have (0: none), is the recommended way. With the `epoch` of that event a
    history that changed while you were away is noticed; with its `hash` too, one that only went on is not.
    Without `after` the durable consumer in NATS remembers, and once NATS was wiped all is told again.
    `nats_options` go to `nats.connect` (`user_credentials`, `tls`, `inbox_prefix`, …). Iterating raises
    HistoryChanged and Refused.
    """

    def __init__(
        self,
        *,
        nats: str | Sequence[str],
        api: str,
        api_key: str,
        merchant_id: str,
        durable: str,
        after: int | None = None,
        epoch: int | None = None,
        hash: str = "",  # noqa: A002 - as events have it
        nats_options: Mapping[str, Any] | None = None,
        api_ssl: SSLContext | bool = True,
    ) -> None:
        if not (_TOKEN.fullmatch(merchant_id) and _TOKEN.fullmatch(durable)):
            raise ValueError("merchant_id and durable must have 1 to 64 of A-Z a-z 0-9 _ -")
        if after is not None and after < 0:
            raise ValueError("after must be a position, or 0 to begin at the beginning")
        servers = [nats] if isinstance(nats, str) else list(nats)
        options = {"servers": servers, "name": f"customer_events {durable}"} | dict(nats_options or {})
        self._attach = partial(_attached, options, merchant_id, durable)
        self._merchant_id = merchant_id
        self._feed = _Feed(f"{api.rstrip('/')}/v1/events", api_key, api_ssl)
        first = sha256(f"customers-ledger-v1{merchant_id}".encode()).hexdigest()
        self._place = _Place(after, epoch, hash or (first if after == 0 else ""))
        self._ready: deque[tuple[CustomerEvent, Msg | None]] = deque()
        self._told: Msg | None = None  # of the event whose body runs
        self._consumer: _Consumer | None = None
        self._attached = asyncio.Event()
        self._attaching: asyncio.Task[None] | None = None
        self._begun = False
        self._tried = asyncio.Event()  # to be attached, for the first time
        self._pauses = _Pauses()
        self._said = ""

    async def __aenter__(self) -> Self:
        self._feed.open()
        self._attaching = asyncio.create_task(self._stay_attached())
        self._attaching.add_done_callback(lambda _: self._attached.set())
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        attaching, self._attaching = self._attaching, None
        try:
            if self._consumer is not None:
                await self._consumer.leave(self._told, done=error is None)
        finally:
            while attaching is not None and not attaching.done():
                attaching.cancel()  # which nats-py swallows now and then
                await asyncio.wait([attaching], timeout=FIRST_PAUSE)
            await self._feed.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> CustomerEvent:
        """The next event; asking for it acknowledges the one before."""
        told, self._told = self._told, None
        await _acknowledge(told)
        while not self._ready:
            await self._step()
        event, self._told = self._ready.popleft()
        return event

    async def _step(self) -> None:
        """Get on towards the next event; cancelled anywhere, it loses nothing. Raises SubscriberError."""
        if self._attaching is None:
            raise RuntimeError("events are read inside of `async with`")
        if self._attaching.done():
            self._attaching.result()
        if not self._begun:
            await self._begin()
        elif self._consumer is not None:
            await self._listen(self._consumer)
        elif self._place.position is None:  # only NATS knows where we are
            await self._attached.wait()
        elif events := await self._read_feed(WAIT_SECONDS):
            self._queue(events)
        else:
            await asyncio.sleep(FIRST_PAUSE)  # an API that is about to stop, or a proxy, may not have waited

    async def _begin(self) -> None:
        """Learn which history there is, and whether the API will have us."""
        with suppress(_Away):
            epoch, _ = await self._feed.page(self._place.position or 0, limit=1)
            self._place.epoch = self._place.epoch or epoch
        await self._tried.wait()
        self._begun = True

    async def _listen(self, consumer: _Consumer) -> None:
        """Take what NATS delivers; while that is nothing, ask the feed whether there is nothing."""
        try:
            message = await consumer.first(consumer.patience)
        except _Away:
            self._consumer = None
            return
        if message is not None:
            await self._consider(message, consumer)
        elif self._place.position is not None:
            consumer.patience = min(2 * consumer.patience, LAST_IDLE)
            with suppress(_Away):
                if events := await self._page():
                    log.warning("NATS is silent about %d events that the feed has", len(events))
                    self._queue(events)

    async def _consider(self, message: Msg, consumer: _Consumer) -> None:
        """Queue what a message tells, or first what is missing before it; drop it if it is known."""
        event = self._read(message)
        ahead = self._place.distance(event) if event is not None else None
        if event is not None and ahead == 1:
            consumer.drop_first()
            self._queue([event], message)
        elif (ahead is None and self._place.position is not None) or (ahead is not None and ahead > 1):
            await self._fill_before(message, event, consumer)
        else:
            consumer.drop_first()
            await _acknowledge(message)

    def _read(self, message: Msg) -> CustomerEvent | None:
        try:
            return _event_of(message, self._merchant_id)
        except _MALFORMED as error:
            self._say(logging.ERROR, f"what came on {message.subject} is no event of ours: {error!r}")
            return None

    async def _fill_before(self, message: Msg, event: CustomerEvent | None, consumer: _Consumer) -> None:
        """Queue what the feed has before the message, and in its place if it is unreadable (None)."""
        events = await self._read_feed()
        if events is None:
            return
        if event is None or not events:
            if event is not None:
                self._say(logging.ERROR, f"position {event.position} is in NATS and not in the ledger")
            consumer.drop_first()
            self._queue(events, message)
            if not events:
                await _acknowledge(message)
            return
        log.info("positions %d to %d are taken from the feed", events[0].position, events[-1].position)
        if event.epoch == self._place.epoch and any(_contradict(event, one) for one in events):
            raise Refused(
                f"position {event.position} is one event in NATS and another in the feed: "
                f"the API key must be one of {self._merchant_id}"
            )
        self._queue(events)

    def _queue(self, events: Sequence[CustomerEvent], message: Msg | None = None) -> None:
        """What follows in the ledger, to be told next; the message is acknowledged after the last of it."""
        for event in events:
            self._place.move(event)
            if event.type in _TYPES:  # of later versions there may be others
                self._ready.append((event, message if event is events[-1] else None))

    async def _page(self, wait: int = 0) -> list[CustomerEvent]:
        """What follows by the feed. Raises _Away, HistoryChanged, Refused."""
        place = self._place
        epoch, items = await self._feed.page(place.position or 0, wait)
        try:
            events = [_event(item, epoch) for item in items]
        except _MALFORMED as error:
            raise _Away(f"its answer is not understood: {error!r}") from None
        place.check(events, epoch)
        return events

    async def _read_feed(self, wait: int = 0) -> list[CustomerEvent] | None:
        """What follows by the feed; None when that is away, after a pause."""
        try:
            events = await self._page(wait)
        except _Away as away:
            self._say(logging.WARNING, f"the feed is away ({away})")
            pause = self._pauses.next(away.retry_after)
            over = asyncio.sleep(pause) if self._consumer is not None else self._attached.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(over, pause)
            return None
        self._pauses.reset()
        return events

    async def _stay_attached(self) -> None:
        """Have a consumer while NATS is there, and try again for ever while it is not."""
        pauses = _Pauses()
        while True:
            try:
                async with self._attach() as consumer:
                    if self._place.position is None:
                        await consumer.settle()
                    self._say(logging.INFO, "reading from NATS")
                    self._consumer = consumer
                    self._attached.set()
                    self._tried.set()
                    await consumer.lost.wait()
                    if consumer.delivered:
                        pauses.reset()
                    trouble = consumer.trouble
            except _Away as error:
                trouble = str(error)
            finally:
                self._consumer = None
                self._attached.clear()
                self._tried.set()
            by_feed = (
                ": going on from the feed"
                if self._place.position is not None
                else ", and it alone knows the position"
            )
            self._say(logging.WARNING, f"NATS is away ({trouble}){by_feed}")
            await asyncio.sleep(pauses.next())

    def _say(self, level: int, text: str) -> None:
        """Log it, unless it was the last thing that was logged."""
        if text != self._said:
            self._said = text
            log.log(level, "%s", text)


class _Place:
    """Where the reader is in the ledger: what was queued last. `hash` is empty if that was the feed's."""

    def __init__(self, position: int | None, epoch: int | None, hash_: str) -> None:
        self.position, self.epoch, self.hash = position, epoch, hash_

    def distance(self, event: CustomerEvent) -> int:
        """How far an event from NATS is ahead: 1 follows, of more the feed decides. Raises HistoryChanged."""
        if self.position is None:
            self.position = event.position - 1
        ahead, epoch = event.position - self.position, self.epoch or 0
        if ahead > 0 and event.epoch < epoch:
            return max(ahead, 2)  # of what was before the epoch, or of what was lost with it
        if ahead == 1 or (ahead == 0 and event.epoch >= epoch):
            link = event.previous_hash if ahead == 1 else event.hash
            if link != self.hash if self.hash else event.epoch > epoch > 0:
                raise self.changed(event.epoch)
            if ahead == 0:
                self.hash = event.hash
            self.epoch = max(event.epoch, epoch)
        return ahead

    def check(self, events: Sequence[CustomerEvent], epoch: int) -> None:
        """Whether a page of the feed follows, of which nothing is hashed. Raises HistoryChanged, _Away."""
        first = (self.position or 0) + 1
        if [event.position for event in events] != list(range(first, first + len(events))):
            raise _Away(f"its page does not begin with position {first}, or has gaps")
        if events and self.epoch is not None and epoch != self.epoch:
            raise self.changed(epoch)

    def move(self, event: CustomerEvent) -> None:
        """The event is queued."""
        self.position, self.epoch, self.hash = event.position, event.epoch, event.hash

    def changed(self, epoch: int) -> HistoryChanged:
        """The error, with what to do."""
        return HistoryChanged(
            f"the history was told up to position {self.position} of epoch {self.epoch}, and what there is "
            f"now (epoch {epoch}) does not continue it: empty your copy and begin anew with after=0"
        )


class _Consumer:
    """A durable consumer on one connection: the messages it delivered that nobody has taken yet."""

    def __init__(self, client: Client, durable: str) -> None:
        self.lost = asyncio.Event()
        self.trouble = ""
        self.delivered = False
        self.patience = FIRST_IDLE  # short at first: it may be ahead of a reader that was restored
        self._client, self._durable = client, durable
        self._waiting: OrderedDict[int, Msg] = OrderedDict()  # by sequence in the stream
        self._asked = 0
        self._heard = asyncio.Event()
        self._silence = 0.0  # seconds waited since something was heard
        self._inbox = ""
        self._subscription: Subscription | None = None

    def lose(self, why: str) -> None:
        """It is of no more use."""
        self.trouble = self.trouble or why
        self.lost.set()
        self._heard.set()

    async def open(self, subjects: str) -> None:
        """Find the consumer, or make it, and pull. Raises _Away, NatsError."""
        found = await self._api(f"INFO.{STREAM}.{self._durable}")
        if found is None:
            config = {
                "durable_name": self._durable,
                "filter_subject": subjects,
                "deliver_policy": "all",
                "ack_policy": "all",
                "ack_wait": int(ACK_SECONDS * _SECOND),
                "max_ack_pending": PREFETCH,
                "max_deliver": -1,
            }
            request = {"stream_name": STREAM, "config": config, "action": "create"}
            found = await self._api(f"CREATE.{STREAM}.{self._durable}.{subjects}", request)
        if found is None:
            raise _Away(f"there is no stream {STREAM} yet")
        if (found["config"].get("filter_subject"), found["config"]["ack_policy"]) != (subjects, "all"):
            raise _Away(
                f"the consumer {self._durable} is there and is not one of {subjects}: use another name"
            )
        self._inbox = self._client.new_inbox()
        self._subscription = await self._client.subscribe(
            self._inbox, cb=self._take, pending_msgs_limit=-1, pending_bytes_limit=-1
        )

    async def settle(self) -> None:
        """Have whatever was delivered to others and never acknowledged, the first of it first."""
        while True:
            info = await self._api(f"INFO.{STREAM}.{self._durable}")
            if info is None or self.lost.is_set():
                raise _Away(self.trouble or "the consumer is gone")
            if info["num_ack_pending"] <= len(self._waiting):
                break
            await self._ask()
            await self._hear(1.0)
        self._waiting = OrderedDict(sorted(self._waiting.items()))

    async def first(self, seconds: float) -> Msg | None:
        """The first message that waits; None after so many seconds without one. Raises _Away."""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        if not self.lost.is_set():
            await self._ask()
        while not self._waiting and not self.lost.is_set() and clock() < end:
            patience = min(SILENCE_SECONDS - self._silence, end - clock())
            if not await self._hear(patience):
                self._silence += patience
                if self._silence > 0.99 * SILENCE_SECONDS:
                    self.lose("nothing is heard any more")
            await self._ask()
        if self.lost.is_set():
            raise _Away(self.trouble)
        return next(iter(self._waiting.values()), None)

    def drop_first(self) -> None:
        """The first message is taken."""
        self._waiting.popitem(last=False)

    async def leave(self, told: Msg | None, *, done: bool) -> None:
        """Acknowledge what is done; give the rest back, to be delivered at once to whoever comes next."""
        with suppress(NatsError, OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                if self._subscription is not None:
                    await self._subscription.unsubscribe()
                if done:
                    await _acknowledge(told)
                elif told is not None:
                    await told.nak()
                for message in self._waiting.values():
                    await message.nak()
                await self._client.flush(ANSWER_SECONDS)

    async def _hear(self, seconds: float) -> bool:
        """Whether the server says anything, be it a heartbeat."""
        self._heard.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._heard.wait()
        return False

    async def _ask(self) -> None:
        """Have as many on the way as there is room for, in large requests."""
        room = PREFETCH - self._asked - len(self._waiting)
        if room < PREFETCH // 2:
            return
        self._asked += room
        times = {"expires": PULL_SECONDS * _SECOND, "idle_heartbeat": int(HEARTBEAT_SECONDS * _SECOND)}
        request = json.dumps({"batch": room} | times).encode()
        try:
            await self._client.publish(f"{_API}.MSG.NEXT.{STREAM}.{self._durable}", request, self._inbox)
        except (NatsError, OSError) as error:
            self.lose(str(error))

    async def _take(self, message: Msg) -> None:
        """What arrives in the inbox: a message, a heartbeat, or the end of a request."""
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None and message.reply.startswith("$JS.ACK."):
            self._asked -= 1
            self._waiting.setdefault(message.metadata.sequence.stream, message)
            self.delivered = True
        elif status in {"404", "408"}:
            self._asked -= int(headers.get("Nats-Pending-Messages", self._asked))
        elif status is not None and status != "100":
            self.lose(f"pulling: {status} {headers.get('Description', '')}".partition("\n")[0].strip())
        self._silence = 0.0
        self._heard.set()

    async def _api(self, what: str, request: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """An answer of JetStream, None for what is not there. Raises _Away, NatsError."""
        answer = await self._client.request(
            f"{_API}.{what}", json.dumps(request or {}).encode(), ANSWER_SECONDS
        )
        found: dict[str, Any] = json.loads(answer.data)
        error = found.get("error")
        if error is None or error["code"] == 404:
            return found if error is None else None
        raise _Away(f"JetStream: {error.get('description')}")


@asynccontextmanager
async def _attached(options: Mapping[str, Any], merchant_id: str, durable: str) -> AsyncIterator[_Consumer]:
    """A connection and the consumer on it, for a block. Raises _Away."""
    client = Client()
    consumer = _Consumer(client, durable)

    async def closed() -> None:
        consumer.lose("the connection was closed")

    async def complain(error: Exception) -> None:
        consumer.trouble = consumer.trouble or str(error)

    # A lost connection is begun anew: nats-py's own reconnection hides what was missed meanwhile. Told so, it
    # tries each server twice and then says that there is none; else it would go on for ever.
    usual = {"ping_interval": 5, "max_outstanding_pings": 2, "connect_timeout": ANSWER_SECONDS}
    once = {"allow_reconnect": False, "max_reconnect_attempts": 1, "reconnect_time_wait": 0}
    try:
        async with asyncio.timeout(2 * ANSWER_SECONDS):
            await client.connect(**(usual | dict(options) | once), error_cb=complain, closed_cb=closed)
            await consumer.open(f"customers.v1.{merchant_id}.>")
        yield consumer
    except (NatsError, OSError, TimeoutError) as error:
        raise _Away(consumer.trouble or str(error) or "no answer in time") from None
    finally:
        with suppress(NatsError, OSError, TimeoutError, AssertionError):  # it asserts that it was connected
            async with asyncio.timeout(ANSWER_SECONDS):
                await client.close()


class _Feed:
    """`GET /v1/events`, as one key sees it."""

    def __init__(self, url: str, key: str, ssl: SSLContext | bool) -> None:
        self._url, self._key, self._ssl = url, key, ssl
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Before the first page."""
        self._session = aiohttp.ClientSession(
            headers={"X-API-Key": self._key}, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def close(self) -> None:
        """After the last."""
        if self._session is not None:
            await self._session.close()

    async def page(self, after: int, wait: int = 0, *, limit: int = PAGE) -> tuple[int, list[Any]]:
        """The ledger's epoch, and its events after a position. Raises _Away, HistoryChanged, Refused."""
        query = {"after": after, "limit": limit, "wait": wait}
        if self._session is None:
            raise RuntimeError("the feed is read inside of `async with`")
        try:
            async with (
                asyncio.timeout(wait + ANSWER_SECONDS),
                self._session.get(self._url, params=query, ssl=self._ssl, allow_redirects=False) as answer,
            ):
                status, headers, body = answer.status, answer.headers, await answer.json()
            if status == 200:
                return int(headers["Ledger-Epoch"]), list(body["data"])
            code, text = str(body.get("code")), f"{status} {body.get('message')}"
        except (aiohttp.ClientError, OSError, TimeoutError, *_MALFORMED) as error:
            raise _Away(str(error) or "no answer in time") from None
        if code == "invalid_cursor":
            raise HistoryChanged(
                f"position {after} is beyond the end of the ledger, which was restored to an earlier state: "
                "empty your copy and begin anew with after=0"
            )
        if status in {408, 429} or status >= 500:
            retry_after = headers.get("Retry-After", "")
            raise _Away(text, float(retry_after) if retry_after.isdecimal() else 0.0)
        raise Refused(f"{self._url}: {text}")


class _Pauses:
    """Seconds between attempts: twice as long each time, and never the same for everybody."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE

    def next(self, least: float = 0.0) -> float:
        """The next pause; at least so long, up to a limit."""
        pause, self._next = self._next, min(2 * self._next, LAST_PAUSE)
        return min(least, LONGEST_RETRY_AFTER) + pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def reset(self) -> None:
        """It worked."""
        self._next = FIRST_PAUSE


def _event_of(message: Msg, merchant_id: str) -> CustomerEvent:
    """What a message tells. Raises one of _MALFORMED."""
    headers = message.headers or {}
    event = _event(
        json.loads(message.data), int(headers["ce-epoch"]), headers["ce-hash"], headers["ce-prevhash"]
    )
    if headers["ce-source"] != f"/merchants/{merchant_id}" or int(headers["ce-sequence"]) != event.position:
        raise ValueError("headers and body contradict each other")
    return event


def _event(told: Any, epoch: int, hash_: str = "", previous_hash: str = "") -> CustomerEvent:
    """The event in an object of the contract. Raises one of _MALFORMED."""
    data, previous = told["data"], told["previousAttributes"]
    version, position = told["version"], told["position"]
    if not (isinstance(data["id"], str) and isinstance(told["event"], str) and isinstance(previous, dict)):
        raise TypeError("event and data.id must be strings, previousAttributes an object")
    if not (type(version) is type(position) is int and position > 0):
        raise TypeError("version and position must be integers")
    return CustomerEvent(
        type=cast("EventType", told["event"]),  # others are left out later
        customer_id=data["id"],
        data=data,
        previous_attributes=previous,
        version=version,
        position=position,
        epoch=epoch,
        timestamp=datetime.fromisoformat(told["timestamp"]),
        actor=told["actor"],
        hash=hash_,
        previous_hash=previous_hash,
    )


def _contradict(one: CustomerEvent, other: CustomerEvent) -> bool:
    """Whether both cannot be of one ledger."""
    same_place = one.position == other.position
    return same_place and (one.customer_id, one.version) != (other.customer_id, other.version)


async def _acknowledge(message: Msg | None) -> None:
    """Have it and all before it done with; where the connection is gone, they come again and are known."""
    if message is not None:
        with suppress(NatsError, OSError):
            await message.ack()
