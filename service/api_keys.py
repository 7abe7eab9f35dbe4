"""API keys: made, listed, limited, revoked by an operator; looked up by the authenticator.

In: a merchant, a name, scopes. Out: the key's text, shown once; stored is only an HMAC of its secret, keyed
from the master key. The text's form is in `key_format.py`.
"""

from __future__ import annotations

import hmac
import os
from typing import NamedTuple

from events.database import Database
from events.master_keys import MasterKeys
from service.clock import now_microseconds
from service.http.rate_limit import DEFAULT_RATE
from service.key_format import KEY_ID_BYTES, SECRET_BYTES, KeyText, make_key, new_key_id
from service.merchants import find_merchant
from service.queries import CREATE_KEY, LIMIT_KEY, LIST_KEYS, REVOKE_KEY

SCOPES = ("read", "write", "audit", "erase")


class ApiKey(NamedTuple):
    """What is known of a key. `rate_limit` is requests a second, 0 for none; `…_at` are µs."""

    id: str
    merchant_id: str
    name: str
    scopes: list[str]
    allowed_cidrs: list[str]
    rate_limit: int
    created_at: int
    revoked_at: int | None


def secret_hmac(master_keys: MasterKeys, version: int, key: KeyText) -> bytes:
    """What is stored of a key's secret. Raises MasterKeyMismatch."""
    return hmac.digest(master_keys.derived(version, "customers api key"), key.secret, "sha256")


async def create_key(
    database: Database,
    master_keys: MasterKeys,
    *,
    merchant_id: str,
    name: str,
    scopes: frozenset[str],
    allowed_cidrs: list[str],
    rate_limit: int = DEFAULT_RATE,
) -> tuple[ApiKey, str] | None:
    """A new key and its text; None when there is no such merchant. Needs the administrator's role."""
    merchant = await find_merchant(database, merchant_id)
    if merchant is None:
        return None
    key_id, secret = new_key_id(os.urandom(KEY_ID_BYTES)), os.urandom(SECRET_BYTES)
    text = make_key(merchant.live, key_id, secret)
    parsed = KeyText(merchant.live, key_id, secret)
    key = ApiKey(
        parsed.key_id,
        merchant_id,
        name,
        [scope for scope in SCOPES if scope in scopes],
        allowed_cidrs,
        rate_limit,
        now_microseconds(),
        None,
    )
    version = master_keys.current
    await database.fetch(
        CREATE_KEY,
        key.id,
        key.merchant_id,
        key.name,
        secret_hmac(master_keys, version, parsed),
        version,
        key.scopes,
        key.allowed_cidrs,
        key.rate_limit,
        key.created_at,
    )
    return key, text


async def list_keys(database: Database, merchant_id: str | None = None) -> list[ApiKey]:
    """Keys of one merchant or of all, revoked ones too, oldest first."""
    return [ApiKey(*row) for row in await database.fetch(LIST_KEYS, merchant_id)]


async def limit_key(database: Database, key_id: str, rate_limit: int) -> bool:
    """Limit the key to so many requests a second (within 30 s everywhere); False when none is in force."""
    return bool(await database.fetch(LIMIT_KEY, key_id, rate_limit))


async def revoke_key(database: Database, key_id: str) -> bool:
    """Refuse the key from now on (within 30 s everywhere); False when there is no such key."""
    return bool(await database.fetch(REVOKE_KEY, key_id, now_microseconds()))
