"""The one place that asks the machine for the time and for identifiers."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from events.ids import CUSTOMER_PREFIX, MERCHANT_PREFIX, make_id
from events.randomness import random_bytes


def now() -> datetime:
    """This moment, UTC."""
    return datetime.now(UTC)


def now_microseconds() -> int:
    """This moment in µs since 1970."""
    return time.time_ns() // 1000


def new_id(prefix: str) -> str:
    """An identifier with this prefix, ordered by time."""
    return make_id(prefix, time.time_ns() // 1_000_000, random_bytes(10))


def new_customer_id() -> str:
    """`cus_…`, ordered by time."""
    return new_id(CUSTOMER_PREFIX)


def new_merchant_id() -> str:
    """`mer_…`, ordered by time."""
    return new_id(MERCHANT_PREFIX)


def new_request_id() -> str:
    """`req_…`, 96 random bits."""
    return "req_" + random_bytes(12).hex()


def new_command_id() -> str:
    """`cmd_…`, 96 random bits."""
    return "cmd_" + random_bytes(12).hex()
