"""Work that is never given up: what fails is told and tried again.

In: an attempt, which ends only by failing. Out: the same again after a pause, for as long as the task lives.
The same trouble is told again only now and then.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from time import monotonic

import structlog

from events.errors import BrokerError, BrokerRefused, StoreError

PAUSE_SECONDS = 0.5
TELL_AGAIN_SECONDS = 60.0
CANCEL_AGAIN_SECONDS = 0.1
NOT_THERE_YET = 404
"""JetStream's code for a stream that others have to make: nothing to worry about at a start."""

log = structlog.get_logger(__name__)


async def supervised(name: str, attempt: Callable[[], Awaitable[None]]) -> None:
    """Attempt for ever. What nobody foresaw is told by its kind and place: its text may be personal."""
    told, at = "", 0.0
    while True:
        reason, tell, where = "it ended", log.warning, {}
        try:
            await _ending_when_cancelled(attempt)
        except BrokerRefused as error:
            reason = str(error)
            if error.code == NOT_THERE_YET:
                tell = log.info
        except (StoreError, BrokerError) as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the others and the next attempt go on
            frame = traceback.extract_tb(error.__traceback__)[-1]
            reason, tell = f"unexpected {type(error).__name__}", log.critical
            where = {"where": f"{frame.filename}:{frame.lineno}"}
        if reason != told or monotonic() - at > TELL_AGAIN_SECONDS:
            told, at = reason, monotonic()
            tell("interrupted", work=name, reason=reason, **where)
        await asyncio.sleep(PAUSE_SECONDS)


async def _ending_when_cancelled(attempt: Callable[[], Awaitable[None]]) -> None:
    """Attempt, and when cancelled, cancel the attempt until it has ended.

    Once is not enough: before Python 3.12 `asyncio.wait_for`, which nats-py uses, forgets a cancellation that
    comes in the same moment as what was waited for.
    """
    task = asyncio.ensure_future(attempt())
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_AGAIN_SECONDS)
        if not task.cancelled():
            task.exception()  # it failed in that moment; asyncio complains of failures that nobody looks at
        raise
    task.result()
