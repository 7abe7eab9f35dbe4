"""The event store, as the rest of the service sees it: load a customer, append what happened to it.

In: aggregates with their pending event. Out: outcomes. What the `eventsourcing` library lacks is asyncio;
its aggregate, mapper and stored format are used as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import structlog

from events.batching import Batcher, Fifo
from events.command import Append, Outcome
from events.customer import Customer
from events.database import KEYED_LOOKUPS, Connection, Database
from events.errors import StoreError
from events.lanes import Lanes
from events.loading import Loaded, Loader, Wanted
from events.mapper import from_microseconds, mapper_with
from events.master_keys import MasterKeys
from events.queries import APPEND, SAVE_SNAPSHOT
from events.sealing import DataKey

log = structlog.get_logger(__name__)

SNAPSHOT_EVERY = 100
"""Versions between snapshots. All are kept: any version is read from the one below it."""

LOADS_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Change:
    """A customer with at most one pending event, and what is to be written with it, atomically."""

    customer: Customer
    data_key: DataKey | None
    """None for a new customer: it gets one."""
    metadata: bytes
    """Who, by which request; JSON, nothing personal. Part of what is hashed."""
    status: int
    """The HTTP status a replay of the idempotency key answers with."""
    email_claim: str | None = None
    email_release: str | None = None
    idempotency_key: bytes | None = None
    fingerprint: bytes | None = None


class EventStore:
    """Loads and appends. Make one with `EventStore.open`."""

    def __init__(
        self, lanes: Lanes, loads: Batcher[Wanted, Loaded], database: Database, keys: MasterKeys
    ) -> None:
        self._lanes = lanes
        self._loads = loads
        self._database = database
        self._master_keys = keys
        self._snapshots: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        database: Database,
        master_keys: MasterKeys,
        *,
        lanes: int = 1,
        readers: int = 2,
        room: int = 4096,
        deadline: float = 5.0,
    ) -> AsyncIterator[Self]:
        """A store on this database. `room`: commands that may wait; `deadline`: seconds for in-doubt ones."""
        writers = Lanes(url, lanes=lanes, room=room, deadline=deadline)
        connections = [Connection(url, KEYED_LOOKUPS) for _ in range(readers)]
        loaders = [Loader(connection, master_keys).load for connection in connections]
        loads: Batcher[Wanted, Loaded] = Batcher(Fifo(room), loaders, most=LOADS_AT_ONCE)
        writers.start()
        loads.start()
        store = cls(writers, loads, database, master_keys)
        try:
            yield store
        finally:
            await asyncio.gather(*store._snapshots, return_exceptions=True)
            await loads.stop()
            await writers.stop()
            for connection in connections:
                await connection.close()

    async def load(self, wanted: Wanted) -> Loaded:
        """Fold a customer from its events. Raises StoreUnavailable, StoreBusy."""
        return await self._loads.ask(wanted)

    async def append(self, change: Change) -> Outcome:
        """Write the pending event, if any, and the idempotency key, if any, in one transaction.

        Raises StoreBusy (nothing was written), StoreUnavailable (unknown; safe to repeat with the key).
        """
        command = self._command(change)
        outcome = await self._lanes.append(command)
        if outcome.recorded_at is not None:
            change.customer.recorded(from_microseconds(outcome.recorded_at))
        if outcome.kind == "appended" and command.topic and command.version % SNAPSHOT_EVERY == 0:
            self._take_snapshot(change)
        return outcome

    async def append_within(self, transaction: Database.Transaction, change: Change) -> Outcome:
        """The same as a part of a transaction, which keeps the merchant's ledger locked until its end.

        For what has to be committed together with an event. Raises what the transaction raises.
        """
        rows = await transaction.fetch(APPEND, [self._command(change)])
        outcome = Outcome(*rows[0])
        if outcome.recorded_at is not None:
            change.customer.recorded(from_microseconds(outcome.recorded_at))
        return outcome

    def _command(self, change: Change) -> Append:
        customer, wrapped, master_version = change.customer, None, None
        data_key = change.data_key
        pending = customer.collect_events()
        if data_key is None and pending:
            data_key = DataKey.generate()
            wrapped = self._master_keys.wrap(data_key, customer.merchant_id, customer.id)
            master_version = self._master_keys.current
        stored = mapper_with(data_key).to_stored_event(pending[0]) if pending else None
        return Append(
            customer.merchant_id,
            customer.id,
            customer.version,
            stored.topic if stored else None,
            stored.state if stored else None,
            change.metadata if stored else None,
            change.email_claim,
            change.email_release,
            wrapped,
            master_version,
            change.idempotency_key,
            change.fingerprint,
            change.status,
        )

    def _take_snapshot(self, change: Change) -> None:
        """Beside the request: a snapshot that fails costs time at the next load, nothing else."""
        # Taken now: whoever goes on with this customer changes it.
        snapshot = Customer.Snapshot.take(change.customer)
        task = asyncio.create_task(self._save_snapshot(snapshot, change.data_key))
        self._snapshots.add(task)
        task.add_done_callback(self._snapshots.discard)

    async def _save_snapshot(self, snapshot: Customer.Snapshot, data_key: DataKey | None) -> None:
        customer_id, merchant_id = snapshot.originator_id, snapshot.merchant_id
        stored = mapper_with(data_key).to_stored_event(snapshot)
        version = stored.originator_version
        try:
            await self._database.fetch(
                SAVE_SNAPSHOT, customer_id, version, stored.topic, stored.state, merchant_id
            )
        except StoreError as error:
            log.warning("snapshot_failed", customer_id=customer_id, version=version, reason=str(error))
