"""The queue before a lane: merchants take turns, and none fills it for the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.batching import Waiting
from events.command import Append, Outcome
from events.errors import StoreBusy
from events.lanes import FairQueue


@cache
def nobody() -> asyncio.Future[Outcome]:
    """An answer that nobody awaits: a queue does not look at it."""
    loop = asyncio.new_event_loop()
    try:
        return loop.create_future()
    finally:
        loop.close()


def waiting(merchant_id: str, version: int) -> Waiting[Append, Outcome]:
    """A command of this merchant."""
    return Append(merchant_id, "cus_1", version), nobody()


def filled(merchants: str, *, room: int = 1000, share: int = 1000) -> FairQueue:
    """A queue where these merchants, a letter each, have put commands numbered in order."""
    queue = FairQueue(room, share)
    for version, merchant_id in enumerate(merchants):
        queue.put(waiting(merchant_id, version))
    return queue


def told(batch: Sequence[Waiting[Append, Outcome]]) -> list[str]:
    return [f"{command.merchant_id}{command.version}" for command, _ in batch]


def test_a_batch_takes_one_of_each_merchant_in_turn() -> None:
    queue = filled("aaaabc")
    assert told(queue.take(3)) == ["a0", "b4", "c5"]
    assert told(queue.take(3)) == ["a1", "a2", "a3"]


def test_a_batch_is_grouped_by_merchant_and_each_merchants_commands_keep_their_order() -> None:
    assert told(filled("abcabca").take(7)) == ["a0", "a3", "a6", "b1", "b4", "c2", "c5"]


def test_the_next_batch_goes_on_with_the_merchant_whose_turn_it_is() -> None:
    queue = filled("aabbcc")
    assert told(queue.take(2)) == ["a0", "b2"]
    assert told(queue.take(2)) == ["a1", "c4"]
    assert told(queue.take(2)) == ["b3", "c5"]


def test_a_newcomer_is_in_the_next_batch_however_much_another_has_waiting() -> None:
    queue = filled("a" * 500)
    queue.take(10)
    queue.put(waiting("b", 1))
    assert "b1" in told(queue.take(2))


def test_a_merchant_has_only_its_share_and_the_others_still_find_room() -> None:
    queue = filled("aaa", room=10, share=3)
    with pytest.raises(StoreBusy):
        queue.put(waiting("a", 3))
    queue.put(waiting("b", 4))
    assert len(queue) == 4


def test_the_room_is_for_all_together() -> None:
    queue = filled("abcd", room=4, share=3)
    with pytest.raises(StoreBusy):
        queue.put(waiting("e", 4))
    assert told(queue.take(100)) == ["a0", "b1", "c2", "d3"]


def test_a_refused_command_leaves_nothing_behind() -> None:
    queue = filled("a", room=1)
    for merchant_id in "bcd":
        with pytest.raises(StoreBusy):
            queue.put(waiting(merchant_id, 1))
    assert told(queue.take(9)) == ["a0"]
    assert queue.take(9) == []
    assert len(queue) == 0
    assert queue._lines == {}


def test_there_is_room_again_once_some_are_taken() -> None:
    queue = filled("aaa", room=3, share=3)
    queue.take(1)
    queue.put(waiting("a", 3))
    assert told(queue.take(9)) == ["a1", "a2", "a3"]


operations = st.lists(st.sampled_from("abcd") | st.integers(1, 5), max_size=60)


@given(operations)
def test_nothing_is_lost_doubled_or_miscounted(script: list[str | int]) -> None:
    """Letters put a command of that merchant, numbers take a batch of at most so many."""
    queue, put, taken = FairQueue(room=12, share=5), list[str](), list[str]()
    for version, step in enumerate(script):
        held = len(put) - len(taken)
        assert len(queue) == held
        if isinstance(step, int):
            batch = queue.take(step)
            assert len(batch) == min(step, held)
            merchants = [key for key, _ in groupby(batch, lambda one: one[0].merchant_id)]
            assert merchants == sorted(set(merchants))
            taken += told(batch)
            continue
        of_merchant = sum(name[0] == step for name in put) - sum(name[0] == step for name in taken)
        if held >= 12 or of_merchant >= 5:
            with pytest.raises(StoreBusy):
                queue.put(waiting(step, version))
        else:
            queue.put(waiting(step, version))
            put.append(f"{step}{version}")
    taken += told(queue.take(len(queue)))
    assert sorted(taken) == sorted(put)
    for merchant_id in "abcd":
        in_order = [name for name in put if name[0] == merchant_id]
        assert [name for name in taken if name[0] == merchant_id] == in_order
