"""Rate limits: a token bucket for each API key, in this process.

In: a key's id, its rate (requests a second) and what a request costs. Out: nothing, or RateLimited; and what
the answer's headers say of it, in the form of draft-ietf-httpapi-ratelimit-headers-11.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from service.errors import RateLimited

DEFAULT_RATE = 500
"""Requests a second."""

HIGHEST_RATE = 1_000_000
BURST_SECONDS = 2
LEAST_BURST = 100
"""What the dearest request costs, a full batch: a slow key can make it too, if it waits long enough."""

MOST_KEYS = 10_000


class Bucket:
    """One key's tokens: `rate` of them come in a second, until `burst` are there."""

    __slots__ = ("_at", "_clock", "_tokens", "burst", "policy", "rate")

    def __init__(self, rate: int, clock: Callable[[], float]) -> None:
        self.rate = rate
        self.burst = max(rate * BURST_SECONDS, LEAST_BURST)
        self.policy = f'"default";q={self.burst};w={ceil(self.burst / rate)}'
        self._clock = clock
        self._tokens = float(self.burst)
        self._at = clock()

    def spend(self, cost: int, *, when_repeated: int = 0) -> None:
        """Take `cost` tokens, or none. `when_repeated`: what else the request costs if it is sent again.

        Raises RateLimited: there are not so many; it says when there will be.
        """
        tokens = self._fill()
        if tokens < cost:
            raise RateLimited(ceil((cost + when_repeated - tokens) / self.rate))
        self._tokens = tokens - cost

    def is_full(self) -> bool:
        """Whether nothing would be lost with this bucket."""
        return self._fill() >= self.burst

    def state(self, more_after: str) -> str:
        """What is left, and after how many seconds there is more."""
        return f'"default";r={int(self._tokens)};t={more_after}'

    def _fill(self) -> float:
        now = self._clock()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        return self._tokens


class RateLimits:
    """The buckets of the keys that were used lately."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def bucket(self, key_id: str, rate: int) -> Bucket | None:
        """The key's bucket, a new and full one where its rate has changed; None for a rate of 0."""
        if not rate:
            return None
        bucket = self._buckets.get(key_id)
        if bucket is None or bucket.rate != rate:
            if len(self._buckets) >= MOST_KEYS:
                self._forget()
            bucket = self._buckets[key_id] = Bucket(rate, self._clock)
        return bucket

    def _forget(self) -> None:
        """Drop what has filled up again, which loses nothing; and the oldest, if that is too little."""
        kept = [(key_id, bucket) for key_id, bucket in self._buckets.items() if not bucket.is_full()]
        self._buckets = dict(kept[-MOST_KEYS // 2 :])
