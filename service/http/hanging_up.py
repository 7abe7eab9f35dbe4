"""Hanging up: what waits for long ends when its client goes, instead of keeping a place for nobody.

In: a request. Out: a block that is cancelled once the connection is lost. Only for what changes nothing: a
write goes on to its end, whoever hangs up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web


class Waited:
    """A connection's side: the task that waits for something to send, if there is one."""

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None

    def hang_up(self) -> None:
        """The client is gone."""
        if self._task is not None:
            self._task.cancel()

    @contextmanager
    def by(self, task: asyncio.Task[object] | None) -> Iterator[None]:
        """While this task waits."""
        self._task = task
        try:
            yield
        finally:
            self._task = None


@contextmanager
def while_connected(request: web.Request) -> Iterator[None]:
    """Cancel the task that is in the block when the request's client is gone, or was before."""
    waited = getattr(request.protocol, "waited", None)
    if not isinstance(waited, Waited):  # a server that is not ours
        yield
        return
    with waited.by(asyncio.current_task()):
        if request.transport is None:
            waited.hang_up()
        yield
