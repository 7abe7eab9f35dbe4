"""A message as a stream delivers it. Projections take these, and know no broker's library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Delivery(NamedTuple):
    """One message of a stream. `headers` are as sent; `sequence` is its place in the stream."""

    stream: str
    subject: str
    sequence: int
    headers: Mapping[str, str]
    body: bytes
