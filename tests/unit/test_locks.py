"""Locks by key: one holder of a key at a time, and nothing left of keys that nobody uses."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from events.errors import StoreBusy
from service.locks import KeyedLocks


async def hold(locks: KeyedLocks, key: str, inside: asyncio.Event, leave: asyncio.Event) -> None:
    async with locks.holding(key):
        inside.set()
        await leave.wait()


async def test_a_key_has_one_holder_at_a_time_and_those_who_wait_get_it_in_order() -> None:
    locks = KeyedLocks(100, 10)
    holders: list[int] = []
    order: list[int] = []

    async def work(number: int) -> None:
        async with locks.holding("key"):
            holders.append(number)
            assert holders == [number]
            order.append(number)
            await asyncio.sleep(0)
            holders.remove(number)

    async with asyncio.timeout(10):
        await asyncio.gather(*(work(number) for number in range(50)))
    assert order == list(range(50))
    assert locks._locks == {}


async def test_other_keys_do_not_wait() -> None:
    locks = KeyedLocks(100, 10)
    async with asyncio.timeout(10), AsyncExitStack() as held:
        for number in range(10):
            await held.enter_async_context(locks.holding(f"key {number}"))
        assert len(locks._locks) == 10
    assert locks._locks == {}


async def test_a_holder_that_fails_lets_go() -> None:
    locks = KeyedLocks(100, 10)
    with pytest.raises(RuntimeError):
        async with locks.holding("key"):
            raise RuntimeError
    assert locks._locks == {}
    async with asyncio.timeout(10), locks.holding("key"):
        pass


async def test_one_that_stops_waiting_leaves_the_lock_to_the_next() -> None:
    locks = KeyedLocks(100, 10)
    entered, leave = [asyncio.Event() for _ in range(3)], asyncio.Event()
    tasks = []
    for number in range(3):
        tasks.append(asyncio.create_task(hold(locks, "key", entered[number], leave)))
        await asyncio.sleep(0)  # it holds the key or waits for it now
        assert locks._locks["key"][1] == number + 1
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    assert not entered[2].is_set()
    leave.set()
    async with asyncio.timeout(10):
        await asyncio.gather(tasks[0], tasks[2])
    assert [event.is_set() for event in entered] == [True, False, True]
    assert locks._locks == {}


async def test_a_holder_that_is_cancelled_lets_go() -> None:
    locks = KeyedLocks(100, 10)
    entered, never = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(hold(locks, "key", entered, never))
    await entered.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert locks._locks == {}


async def test_a_full_line_refuses_at_once() -> None:
    locks, inside, leave = KeyedLocks(1, 10), asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(hold(locks, "key", inside, leave))
    await inside.wait()
    with pytest.raises(StoreBusy, match="are waiting"):
        async with locks.holding("key"):
            pass
    leave.set()
    await holder
    assert locks._locks == {}


async def test_who_waits_too_long_is_refused_and_leaves_nothing() -> None:
    locks, inside, leave = KeyedLocks(9, 0.01), asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(hold(locks, "key", inside, leave))
    await inside.wait()
    with pytest.raises(StoreBusy, match="too long"):
        async with locks.holding("key"):
            pass
    leave.set()
    await holder
    assert locks._locks == {}
