"""Writers in a process of their own: they change, delete and erase few customers, and say what came of it.

In: as arguments the application's database URL, the process's number, how many writers and how many commands
each; the text of the master keys on stdin. Out: a JSON line a command on stdout: its name, which is in the
event's metadata, and the outcome's kind, version and position, or `in_doubt`.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar

import orjson

from events.command import Outcome
from events.customer import Customer
from events.database import Database
from events.errors import StoreUnavailable
from events.loading import Wanted
from events.master_keys import MasterKeys
from events.store import Change, EventStore
from service import clock
from service.email_address import email_key

T = TypeVar("T")

End = Callable[[Customer, datetime], None]
ENDS: list[End] = [Customer.delete, Customer.erase]
EMAILS = [f"{letter}@example.com" for letter in "abcdefghijklmnopqrstuvwxyz"]


async def insistently(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer of a read that may be repeated, whatever becomes of connections."""
    while True:
        try:
            return await ask()
        except StoreUnavailable:
            continue


class Writers:
    """What the writers of a process share: the store, and the customers they know of."""

    def __init__(self, store: EventStore, merchants: list[str], number: int) -> None:
        self._store = store
        self._merchants = merchants
        self._number = number
        self._known: list[tuple[str, str]] = []

    async def write(self, writer: int, commands: int) -> list[dict[str, Any]]:
        """What became of this writer's commands."""
        chance = random.Random(f"{self._number}-{writer}")
        return [await self._one(chance, f"{self._number}-{writer}-{n}") for n in range(commands)]

    async def _one(self, chance: random.Random, name: str) -> dict[str, Any]:
        key = sha256(name.encode()).digest() if chance.random() < 0.5 else None
        email = chance.choice(EMAILS)
        if not self._known or chance.random() < 0.2:
            change = self._create(chance.choice(self._merchants), email, name)
        else:
            merchant_id, customer_id = chance.choice(self._known[-12:])
            end = chance.choice([*ENDS, *[None] * 18])
            change = await self._change(merchant_id, customer_id, email, name, end)
        change = Change(
            change.customer, change.data_key, orjson.dumps({"name": name}), 200,
            change.email_claim, change.email_release, key, key,
        )  # fmt: skip
        pending = bool(change.customer.pending_events)
        if not pending and key is None:
            return {"name": name, "kind": "nothing"}
        try:
            outcome = await self._store.append(change)
        except StoreUnavailable:
            return {"name": name, "kind": "in_doubt"}
        return self._said(name, outcome, change, pending=pending)

    def _said(self, name: str, outcome: Outcome, change: Change, *, pending: bool) -> dict[str, Any]:
        done = outcome.kind in {"appended", "already"}
        if done and outcome.version == 1 and pending:
            self._known.append((change.customer.merchant_id, change.customer.id))
        return {
            "name": name,
            "kind": outcome.kind,
            "event": done and pending,
            "version": outcome.version,
            "position": outcome.position,
            "key": change.idempotency_key.hex() if change.idempotency_key else None,
        }

    def _create(self, merchant_id: str, email: str, name: str) -> Change:
        customer = Customer.create(
            clock.new_customer_id(), merchant_id, {"email": email, "name": name}, clock.now()
        )
        return Change(customer, None, b"", 201, email_claim=email_key(email))

    async def _change(
        self, merchant_id: str, customer_id: str, email: str, name: str, end: End | None
    ) -> Change:
        loaded = await insistently(lambda: self._store.load(Wanted(merchant_id, customer_id)))
        customer = loaded.customer
        assert customer is not None
        if customer.deleted:
            self._known = [one for one in self._known if one[1] != customer_id]
            return Change(customer, loaded.data_key, b"", 200)
        before = email_key(customer.values["email"])
        if end is not None:
            end(customer, clock.now())
            return Change(customer, loaded.data_key, b"", 200, email_release=before)
        customer.update(customer.values | {"email": email, "name": name}, clock.now())
        claim, release = (None, None) if email == before else (email_key(email), before)
        return Change(customer, loaded.data_key, b"", 200, email_claim=claim, email_release=release)


async def main(url: str, number: str, writers: str, commands: str, *merchants: str) -> None:
    """Write, then say it all."""
    master_keys = MasterKeys.from_text(sys.stdin.read())
    async with Database.connect(url) as database, EventStore.open(url, database, master_keys) as store:
        made = Writers(store, list(merchants), int(number))
        said = await asyncio.gather(*(made.write(writer, int(commands)) for writer in range(int(writers))))
    for line in [line for lines in said for line in lines]:
        sys.stdout.buffer.write(orjson.dumps(line) + b"\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
