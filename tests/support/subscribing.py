"""A subscriber that does what `events/SUBSCRIBING.md` says, and nothing else: the rules, as code.

In: deliveries of one merchant's messages, in any order, as often as it pleases. Out: `Copy`, the customers as
they are told; `Begin` where the rules say to begin anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from projections.delivery import Delivery
from tests.support.read_models import folded
from tests.support.restoring import KEYS


class BeginAnew(Exception):
    """What the copy has may not be what the ledger has: it has to be made again from the first event on."""


class GapFound(Exception):
    """Positions between the copy's and a message's were not told."""


@dataclass
class Copy:
    """A merchant's customers, and the place that they are at. Tombstones stay, as the service's do."""

    epoch: int = 0
    position: int = 0
    hash: str = ""
    customers: dict[str, Any] = field(default_factory=dict)

    def take(self, message: Delivery) -> bool:
        """Apply a message unless it is known; whether it was. Raises BeginAnew, GapFound."""
        epoch, position = int(message.headers["ce-epoch"]), int(message.headers["ce-sequence"])
        if epoch > self.epoch:
            continues = position == self.position + 1 and message.headers["ce-prevhash"] == self.hash
            if self.epoch and not continues:
                raise BeginAnew
            self.epoch = epoch
        if position <= self.position:
            return False
        if position > self.position + 1:
            raise GapFound
        self.apply(message)
        return True

    def apply(self, message: Delivery) -> None:
        """Take over what a message tells, and its place."""
        told = orjson.loads(message.body)
        self.customers[told["data"]["id"]] = told["data"]
        self.position, self.hash = told["position"], message.headers["ce-hash"]

    def begin_anew(self, history: Iterable[Delivery]) -> None:
        """Make the copy again of the whole history, in the highest epoch that was met."""
        self.position, self.hash, self.customers = 0, "", {}
        for message in history:
            self.epoch = max(self.epoch, int(message.headers["ce-epoch"]))
            if int(message.headers["ce-sequence"]) > self.position:
                self.apply(message)

    def follow(self, messages: Sequence[Delivery], history: Sequence[Delivery]) -> str:
        """Take messages as they come; begin anew where that is to be. What was done: "went on" or "began"."""
        for number, message in enumerate(messages):
            try:
                self.take(message)
            except BeginAnew:
                self.epoch = int(message.headers["ce-epoch"])
                self.begin_anew(history)
                for one in messages[number:]:
                    self.take(one)
                return "began"
        return "went on"


async def state_of(admin_url: str, merchant_id: str) -> dict[str, Any]:
    """A merchant's customers as the service has them."""
    rows = await folded(admin_url, KEYS)
    return {key[1]: orjson.loads(row.body) for key, row in rows.items() if key[0] == merchant_id}
