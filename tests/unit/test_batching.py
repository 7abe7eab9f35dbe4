"""Batching: what waits together runs together, and no asker's trouble is another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from events.batching import Batcher, Fifo
from events.errors import StoreBusy, StoreUnavailable

Answers = Sequence[str | Exception]


class Worker:
    """Answers questions in capitals, once it is let; remembers which batches it got."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.free = asyncio.Event()
        self.reply: Callable[[list[str]], Answers] = lambda questions: [q.upper() for q in questions]
        self._began = asyncio.Condition()

    async def run(self, questions: list[str]) -> Answers:
        async with self._began:
            self.batches.append(questions)
            self._began.notify_all()
        await self.free.wait()
        return self.reply(questions)

    async def began(self, batches: int) -> None:
        """Return once so many batches have been sent."""
        async with self._began, asyncio.timeout(10):
            await self._began.wait_for(lambda: len(self.batches) >= batches)


@asynccontextmanager
async def working(*workers: Worker, most: int = 100, room: int = 100) -> AsyncIterator[Batcher[str, str]]:
    """A started batcher over these workers."""
    batcher: Batcher[str, str] = Batcher(Fifo(room), [worker.run for worker in workers], most=most)
    batcher.start()
    try:
        yield batcher
    finally:
        await batcher.stop()


async def all_of(answers: Sequence[asyncio.Future[str]]) -> list[str | BaseException]:
    async with asyncio.timeout(3):
        return await asyncio.gather(*answers, return_exceptions=True)


async def test_what_waits_together_runs_together() -> None:
    worker = Worker()
    worker.free.set()
    async with working(worker) as batcher:
        answers = [batcher.ask(question) for question in "abc"]
        assert await all_of(answers) == ["A", "B", "C"]
    assert worker.batches == [["a", "b", "c"]]


async def test_nobody_joins_a_batch_that_was_sent_and_the_next_gathers_meanwhile() -> None:
    worker = Worker()
    async with working(worker) as batcher:
        answers = [batcher.ask("a")]
        await worker.began(1)
        answers += [batcher.ask(question) for question in "bcd"]
        worker.free.set()
        assert await all_of(answers) == ["A", "B", "C", "D"]
    assert worker.batches == [["a"], ["b", "c", "d"]]


async def test_a_batch_has_at_most_so_many_and_the_others_follow_in_order() -> None:
    worker = Worker()
    worker.free.set()
    async with working(worker, most=2) as batcher:
        assert await all_of([batcher.ask(question) for question in "abcde"]) == list("ABCDE")
    assert worker.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_an_idle_worker_takes_what_comes_while_another_is_busy() -> None:
    busy, other = Worker(), Worker()
    async with working(busy, other) as batcher:
        first = batcher.ask("a")
        await busy.began(1)
        second = batcher.ask("b")
        await other.began(1)
        other.free.set()
        assert await all_of([second]) == ["B"]
        assert not first.done()
        busy.free.set()
        assert await all_of([first]) == ["A"]


async def test_a_batch_that_fails_fails_its_own_askers_only() -> None:
    worker = Worker()
    failure = RuntimeError("out of order")

    def refuse(_: list[str]) -> Answers:
        raise failure

    async with working(worker) as batcher:
        worker.reply = refuse
        failing = [batcher.ask("a"), batcher.ask("b")]
        worker.free.set()
        assert await all_of(failing) == [failure, failure]
        worker.reply = list
        assert await all_of([batcher.ask("c")]) == ["c"]


async def test_an_exception_among_the_answers_reaches_its_asker_only() -> None:
    worker = Worker()
    failure = RuntimeError("only b")
    worker.reply = lambda questions: [failure if q == "b" else q for q in questions]
    worker.free.set()
    async with working(worker) as batcher:
        assert await all_of([batcher.ask(question) for question in "abc"]) == ["a", failure, "c"]


async def test_an_asker_that_went_away_while_its_batch_ran_disturbs_nobody() -> None:
    worker = Worker()
    async with working(worker) as batcher:
        answers = [batcher.ask(question) for question in "abc"]
        await worker.began(1)
        answers[1].cancel()
        worker.free.set()
        assert await all_of([answers[0], answers[2]]) == ["A", "C"]
        assert await all_of([batcher.ask("d")]) == ["D"]


async def test_an_asker_that_went_away_while_it_waited_disturbs_nobody() -> None:
    worker = Worker()
    async with working(worker) as batcher:
        first = batcher.ask("a")
        await worker.began(1)
        gone, stays = batcher.ask("b"), batcher.ask("c")
        gone.cancel()
        worker.free.set()
        assert await all_of([first, stays]) == ["A", "C"]


async def test_a_full_queue_refuses_at_once_and_has_room_again_later() -> None:
    worker = Worker()
    async with working(worker, room=2) as batcher:
        answers = [batcher.ask("a")]
        await worker.began(1)
        answers += [batcher.ask("b"), batcher.ask("c")]
        with pytest.raises(StoreBusy):
            batcher.ask("d")
        worker.free.set()
        assert await all_of(answers) == ["A", "B", "C"]
        assert await all_of([batcher.ask("e")]) == ["E"]
    assert "d" not in [question for batch in worker.batches for question in batch]


async def test_stopping_refuses_what_waits_and_does_not_know_what_became_of_what_was_sent() -> None:
    worker = Worker()
    async with working(worker) as batcher:
        under_way = batcher.ask("a")
        await worker.began(1)
        waiting = batcher.ask("b")
    refusals = await all_of([under_way, waiting])
    assert [type(refusal) for refusal in refusals] == [StoreUnavailable, StoreBusy]


async def test_a_batch_whose_answers_are_too_few_leaves_nobody_waiting() -> None:
    worker = Worker()
    worker.reply = lambda questions: questions[:1]
    worker.free.set()
    async with working(worker) as batcher:
        answers = await all_of([batcher.ask("a"), batcher.ask("b")])
        assert isinstance(answers[1], Exception)
        worker.reply = list
        assert await all_of([batcher.ask("c")]) == ["c"]


async def test_a_thousand_askers_each_get_their_own_answer() -> None:
    workers = [Worker(), Worker()]
    for worker in workers:
        worker.free.set()
    questions = [f"question {number}" for number in range(1000)]
    async with working(*workers, most=7, room=1000) as batcher:
        answers = await all_of([batcher.ask(question) for question in questions])
    assert answers == [question.upper() for question in questions]
    assert all(len(batch) <= 7 for worker in workers for batch in worker.batches)
