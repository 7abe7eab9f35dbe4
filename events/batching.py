"""Batching: what waits together, runs together.

In: single questions, each awaited by its asker. Out: their answers, from one call for all that were waiting
when a worker became free. No timer: while one batch runs, the next gathers. A question never joins a batch
that has been sent already.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

from events.errors import StoreBusy, StoreUnavailable

Q = TypeVar("Q")
A = TypeVar("A")

Run = Callable[[list[Q]], Awaitable[Sequence[A | Exception]]]
"""Answers a batch: one answer, or one exception, for each question in order."""

Waiting = tuple[Q, "asyncio.Future[A]"]


class Queue(Protocol[Q, A]):
    """Where questions wait."""

    def put(self, waiting: Waiting[Q, A]) -> None:
        """Let one wait. Raises StoreBusy when there is no room."""

    def take(self, most: int) -> list[Waiting[Q, A]]:
        """The next batch."""

    def __len__(self) -> int: ...


class Fifo(Generic[Q, A]):
    """First come, first served, with room for so many."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._line: deque[Waiting[Q, A]] = deque()

    def put(self, waiting: Waiting[Q, A]) -> None:
        """Let one wait. Raises StoreBusy when there is no room."""
        if len(self._line) >= self._room:
            raise StoreBusy("too many requests are waiting for the database")
        self._line.append(waiting)

    def take(self, most: int) -> list[Waiting[Q, A]]:
        """The oldest."""
        return [self._line.popleft() for _ in range(min(most, len(self._line)))]

    def __len__(self) -> int:
        return len(self._line)


class Batcher(Generic[Q, A]):
    """Workers that each take what is waiting and run it as one batch of at most `most`."""

    def __init__(self, queue: Queue[Q, A], runs: Sequence[Run[Q, A]], *, most: int) -> None:
        self._queue = queue
        self._runs = runs
        self._most = most
        self._idle: deque[asyncio.Future[None]] = deque()
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work, on the running loop."""
        self._workers = [asyncio.create_task(self._work(run)) for run in self._runs]

    async def stop(self) -> None:
        """End the workers; whatever still waits is refused."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for _, answer in self._queue.take(len(self._queue)):
            _settle(answer, StoreBusy("stopping"))

    def ask(self, question: Q) -> asyncio.Future[A]:
        """The answer, in time. Raises StoreBusy at once when there is no room to wait."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._queue.put((question, answer))
        while self._idle:
            worker = self._idle.popleft()
            if not worker.done():
                worker.set_result(None)
                break
        return answer

    async def _work(self, run: Run[Q, A]) -> None:
        while True:
            if not len(self._queue):
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._idle.append(turn)
                await turn
            await asyncio.sleep(0)  # one turn of the loop: what has arrived by now comes along
            taken = self._queue.take(self._most)
            if taken:
                await _answer(taken, run)


async def _answer(taken: list[Waiting[Q, A]], run: Run[Q, A]) -> None:
    """Run one batch and hand each asker its answer, or the failure of the whole."""
    unknown = StoreUnavailable("stopped before the answer came")
    answers: Sequence[A | Exception] = [unknown] * len(taken)
    try:
        given = await run([question for question, _ in taken])
        wrong_count = RuntimeError(f"{len(given)} answers to {len(taken)} questions")
        answers = given if len(given) == len(taken) else [wrong_count] * len(taken)
    except Exception as error:  # noqa: BLE001  # whatever it is, those who wait must hear of it
        answers = [error] * len(taken)
    finally:
        for (_, asker), answer in zip(taken, answers, strict=True):
            _settle(asker, answer)


def _settle(asker: asyncio.Future[A], answer: A | Exception) -> None:
    if asker.done():  # gone meanwhile
        return
    if isinstance(answer, Exception):
        asker.set_exception(answer)
    else:
        asker.set_result(answer)
