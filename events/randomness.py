"""Random bytes from the operating system, fetched a few kilobytes at a time.

A request needs half a dozen short ones (ids, a key, nonces), and each call into the system costs more than
all of its bytes. What was handed out is dropped from the stock at once. Not for processes that fork.
"""

from __future__ import annotations

import os

_STOCK_BYTES = 4096


class _Stock:
    def __init__(self) -> None:
        self._bytes = b""
        self._used = 0

    def take(self, count: int) -> bytes:
        start, end = self._used, self._used + count
        if end > len(self._bytes):
            self._bytes = os.urandom(_STOCK_BYTES)
            start, end = 0, count
        self._used = end
        return self._bytes[start:end]


random_bytes = _Stock().take
"""So many (at most 4,096) random bytes, each handed out once."""
