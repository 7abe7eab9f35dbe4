"""What many want at the same moment is made once, for all of them, and forgotten."""

from __future__ import annotations

import asyncio

import pytest

from events.errors import StoreUnavailable
from service.feed.sharing import Shared
from tests.support.serve import comes_about


class Maker:
    """Makes numbers, and counts how many are being made."""

    def __init__(self) -> None:
        self.made = 0
        self.making = 0
        self.most = 0

    async def make(self) -> int:
        self.making += 1
        self.most = max(self.most, self.making)
        for _ in range(3):
            await asyncio.sleep(0)
        self.making -= 1
        self.made += 1
        return self.made


async def test_whoever_asks_for_the_same_meanwhile_gets_the_same() -> None:
    shared: Shared[int] = Shared(asyncio.Semaphore(2))
    maker = Maker()
    assert await asyncio.gather(*(shared.get("key", maker.make) for _ in range(10))) == [1] * 10


async def test_others_are_made_beside_but_only_so_many() -> None:
    shared: Shared[int] = Shared(asyncio.Semaphore(2))
    maker = Maker()
    made = await asyncio.gather(*(shared.get(number, maker.make) for number in range(10)))
    assert sorted(made) == list(range(1, 11))
    assert maker.most == 2


async def test_it_is_forgotten_soon() -> None:
    shared: Shared[int] = Shared(asyncio.Semaphore(2))
    maker = Maker()
    assert await shared.get("key", maker.make) == 1

    async def is_made_anew() -> bool:
        return await shared.get("key", maker.make) == 2

    await comes_about(is_made_anew)


async def test_who_gives_up_does_not_take_it_from_the_others() -> None:
    shared: Shared[int] = Shared(asyncio.Semaphore(2))
    maker = Maker()
    first, second = [asyncio.create_task(shared.get("key", maker.make)) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1
    assert first.cancelled()


async def test_a_failure_is_everybodys() -> None:
    shared: Shared[int] = Shared(asyncio.Semaphore(2))

    async def fail() -> int:
        raise StoreUnavailable("away")

    answers = await asyncio.gather(*(shared.get("key", fail) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
    with pytest.raises(StoreUnavailable):
        await shared.get("another", fail)
