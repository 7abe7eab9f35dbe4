"""Work that is never given up: tried again, told once, and without anything personal."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from events import supervision
from events.errors import BrokerRefused, BrokerUnavailable, StoreUnavailable
from events.supervision import supervised


class Done(BaseException):
    """The end of a test's attempts."""


async def run(monkeypatch: pytest.MonkeyPatch, *failures: Exception) -> list[dict[str, object]]:
    """What is told while attempts fail like this, one after the other."""
    monkeypatch.setattr(supervision, "PAUSE_SECONDS", 0)
    following: Iterator[Exception] = iter(failures)

    async def attempt() -> None:
        for failure in following:
            raise failure
        raise Done

    with capture_logs() as logs, pytest.raises(Done):
        async with asyncio.timeout(10):
            await supervised("work", attempt)
    return [dict(line) for line in logs]


async def test_the_same_trouble_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    down = StoreUnavailable("down")
    told = await run(monkeypatch, down, down, down, BrokerUnavailable("away"), down)
    assert [line["reason"] for line in told] == ["down", "away", "down"]
    assert {line["log_level"] for line in told} == {"warning"}


async def test_what_nobody_foresaw_is_told_by_its_kind_and_place_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (told,) = await run(monkeypatch, KeyError("john@example.com"))
    assert (told["log_level"], told["reason"]) == ("critical", "unexpected KeyError")
    assert str(told["where"]).partition(":")[0].endswith("test_supervision.py")
    assert "john" not in str(told)


async def test_a_stream_that_is_not_there_yet_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    (told,) = await run(monkeypatch, BrokerRefused("waiting for the stream CHARGES", 404))
    assert told["log_level"] == "info"


async def test_work_that_loses_a_cancellation_ends_all_the_same() -> None:
    lost, began = 0, asyncio.Event()

    async def attempt() -> None:
        nonlocal lost
        while True:
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
                if lost > 1:
                    raise

    working = asyncio.create_task(supervised("work", attempt))
    async with asyncio.timeout(10):
        await began.wait()
        working.cancel()
        await asyncio.wait([working])
    assert working.cancelled()
    assert lost == 2


async def test_a_failure_in_the_moment_of_the_cancellation_is_not_complained_of() -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    began = asyncio.Event()

    async def attempt() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise BrokerRefused("waiting for the stream INVOICES", 404) from None

    working = asyncio.create_task(supervised("work", attempt))
    async with asyncio.timeout(10):
        await began.wait()
        working.cancel()
        await asyncio.wait([working])
    assert working.cancelled()
    del working
    gc.collect()
    assert complaints == []
