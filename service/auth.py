"""Authentication: from the key in a request to the caller it stands for.

In: the text of a key and the address it came from. Out: a `Caller`, which knows what it may do. Whatever is
wrong with a key, the answer is the same 401. A verified key is remembered for `REMEMBERED_SECONDS`, so a
revocation, or another rate limit, works soon.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_network

from events.database import Database
from events.master_keys import MasterKeys
from service.api_keys import secret_hmac
from service.errors import Forbidden, MerchantInactive, Unauthorized
from service.http.client_address import Address, is_in
from service.key_format import KeyText, parse_key_text
from service.queries import FIND_KEY

REMEMBERED_SECONDS = 10.0
REMEMBERED_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a key, its merchant and what it may do.

    `networks` empty: from anywhere. `rate_limit` is requests a second, 0 for none.
    """

    key_id: str
    merchant_id: str
    active: bool
    scopes: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...]
    rate_limit: int = 0

    def require(self, scope: str) -> None:
        """Raises MerchantInactive, Forbidden: this caller may not do what takes the scope."""
        if not self.active:
            raise MerchantInactive
        if scope not in self.scopes:
            raise Forbidden(scope)


class Authenticator:
    """Knows the callers that were verified a moment ago, and verifies the others."""

    def __init__(self, database: Database, master_keys: MasterKeys, clock: Callable[[], float]) -> None:
        self._database = database
        self._master_keys = master_keys
        self._clock = clock
        # By digest, so that no secret stays in memory and finding one takes no telling time.
        self._remembered: dict[bytes, tuple[float, Caller]] = {}
        self._asked: dict[bytes, asyncio.Task[Caller]] = {}

    async def authenticate(self, text: str, address: Callable[[], Address | None]) -> Caller:
        """The caller with this key; `address` is asked where it matters.

        Raises Unauthorized, StoreUnavailable.
        """
        digest = sha256(text.encode("utf-8", "surrogateescape")).digest()
        until, caller = self._remembered.get(digest, _NOBODY)
        if until < self._clock():
            caller = await self._verify_once(digest, text)
        if caller.networks and not _is_allowed(address(), caller):
            raise Unauthorized
        return caller

    async def _verify_once(self, digest: bytes, text: str) -> Caller:
        """Verify, and let everyone who asks for the same key meanwhile share the answer."""
        asked = self._asked.get(digest)
        if asked is None:
            key = parse_key_text(text)
            if key is None:
                raise Unauthorized
            asked = self._asked[digest] = asyncio.create_task(self._verify(digest, key))
            asked.add_done_callback(lambda _: self._asked.pop(digest, None))
        return await asyncio.shield(asked)

    async def _verify(self, digest: bytes, key: KeyText) -> Caller:
        found = await self._database.fetch(FIND_KEY, key.key_id)
        if not found or found[0]["live"] != key.live:
            raise Unauthorized
        row = found[0]
        expected = secret_hmac(self._master_keys, row["master_version"], key)
        if not hmac.compare_digest(row["secret_hmac"], expected):
            raise Unauthorized
        caller = Caller(
            key.key_id,
            row["merchant_id"],
            row["status"] == "active",
            frozenset(row["scopes"]),
            tuple(ip_network(cidr) for cidr in row["allowed_cidrs"]),
            row["rate_limit"],
        )
        if len(self._remembered) >= REMEMBERED_KEYS:
            self._remembered.clear()
        self._remembered[digest] = (self._clock() + REMEMBERED_SECONDS, caller)
        return caller


def _is_allowed(address: Address | None, caller: Caller) -> bool:
    return address is not None and is_in(address, caller.networks)


_NOBODY = (float("-inf"), Caller("", "", active=False, scopes=frozenset(), networks=()))
