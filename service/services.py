"""The composition root: everything a running API is made of, put together once.

In: settings, the database's URL and the master keys. Out: `Services`, for the length of a block. The entry
points and the tests compose the same parts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from events.database import KEYED_LOOKUPS, Database
from events.feed import Feed
from events.heads import Heads
from events.history import History
from events.key_checks import check_master_keys
from events.master_keys import MasterKeys
from events.signing import public_key
from events.store import EventStore
from projections.customer_list import LIST_SETTINGS
from projections.customer_reader import CustomerReader
from projections.freshness import Freshness
from service.audit.erasing import Eraser
from service.audit.erasure_list import open_list, warn_of_no_list
from service.auth import Authenticator
from service.feed.following import Followers
from service.http.client_address import Networks
from service.http.connections import room_for_connections
from service.http.rate_limit import RateLimits
from service.idempotency import Digests
from service.locks import KeyedLocks
from service.settings import Settings
from service.under_way import UnderWay


@dataclass(frozen=True)
class Services:
    """What handlers work with."""

    store: EventStore
    customers: CustomerReader
    history: History
    database: Database
    lists: Database
    """Connections for lists alone: they plan anew each time, and a long count keeps nothing else waiting."""
    freshness: Freshness
    feed: Feed
    followers: Followers
    authenticator: Authenticator
    eraser: Eraser
    changing: KeyedLocks
    """One change of a customer at a time in this process: the others need not fail first."""
    rate_limits: RateLimits
    trusted_proxies: Networks
    body_seconds: float
    """How long a request's body may take to arrive."""
    heartbeat_seconds: float
    """How often an event stream says something although nothing happens."""
    digests: Digests
    public_key: bytes
    """What checkpoints and certificates of erasure are verified with."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: UnderWay = field(default_factory=UnderWay)


CHANGES_IN_LINE = 256
"""Changes of one customer that may wait for each other in this process."""

SERVICES = web.AppKey("services", Services)


@asynccontextmanager
async def open_services(
    settings: Settings, database_url: str, master_keys: MasterKeys
) -> AsyncIterator[Services]:
    """The services on this database. Raises StoreUnavailable, MasterKeyMismatch, StartupError."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.connect(database_url))
        await check_master_keys(database, master_keys)
        # Lists that wait for a lock must not keep callers from being recognised.
        keys = await stack.enter_async_context(Database.connect(database_url, size=2))
        lists = await stack.enter_async_context(Database.connect(database_url, settings=LIST_SETTINGS))
        store = await stack.enter_async_context(
            EventStore.open(
                database_url,
                database,
                master_keys,
                lanes=settings.lanes,
                readers=settings.read_connections,
                room=settings.queue_limit,
                deadline=settings.append_deadline_seconds,
            )
        )
        listed = None
        if settings.erasure_list is None:
            await warn_of_no_list(database)
        else:
            listed = await open_list(settings.erasure_list, database, master_keys)
        customers = await stack.enter_async_context(
            CustomerReader.open(
                database_url,
                master_keys,
                connections=settings.read_connections,
                room=settings.queue_limit,
            )
        )
        # Whoever catches up on a long history must not keep anybody else waiting.
        ledgers = await stack.enter_async_context(Database.connect(database_url, settings=KEYED_LOOKUPS))
        feed = Feed(ledgers, master_keys)
        heads = await stack.enter_async_context(Heads.open(database_url))
        freshness = await stack.enter_async_context(Freshness.open(database_url, room=settings.queue_limit))
        yield Services(
            store,
            customers,
            History(database, store.load, master_keys),
            database,
            lists,
            freshness,
            feed,
            Followers(feed, heads, most=room_for_connections(settings.max_connections) // 2),
            Authenticator(keys, master_keys, time.monotonic),
            Eraser(store, database, master_keys, listed),
            KeyedLocks(CHANGES_IN_LINE, settings.append_deadline_seconds),
            RateLimits(time.monotonic),
            settings.trusted_proxies,
            settings.body_seconds,
            settings.heartbeat_seconds,
            Digests(master_keys),
            public_key(master_keys, master_keys.current),
        )
