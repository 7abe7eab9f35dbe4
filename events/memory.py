"""What a process that runs for a while does once about its memory, when everything is loaded."""

from __future__ import annotations

import gc

GARBAGE_THRESHOLD = 20_000
"""Objects; a request or an event makes and frees some hundred, nearly all without help from the collector."""


def settle_memory() -> None:
    """What was loaded by now stays: the collector need not look at it every few hundred requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
