"""Where a subscriber is in the ledger: what follows, what is known, what is missing, and what cannot be."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deploy.subscriber.customer_events import CustomerEvent, CustomerEvents, HistoryChanged, _Away, _Place
from events.ledger import first_hash

OTHER = "another hash"


def event(position: int, epoch: int = 2, *, after: str = "", hash_: str = "") -> CustomerEvent:
    """An event from NATS, of the ledger whose hashes are h1, h2, … unless it says otherwise."""
    return CustomerEvent(
        type="customer.updated",
        customer_id="cus_1",
        data={},
        previous_attributes={},
        version=position,
        position=position,
        epoch=epoch,
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        actor=None,
        hash=hash_ or f"h{position}",
        previous_hash=after or f"h{position - 1}",
    )


def at(position: int | None, epoch: int | None = 2, *, by_feed: bool = False) -> _Place:
    return _Place(position, epoch, "" if by_feed else f"h{position}")


@pytest.mark.parametrize(
    ("place", "told", "ahead"),
    [
        (at(5), event(6), 1),
        (at(5), event(8), 3),
        (at(5), event(5), 0),
        (at(5), event(2), -3),
        (at(5), event(2, epoch=3), -3),
        (at(5), event(5, epoch=3), 0),
        (at(5), event(6, epoch=3), 1),
        (at(5), event(6, epoch=1), 2),
        (at(5), event(5, epoch=1, hash_=OTHER), 0),
        (at(5), event(8, epoch=3, after=OTHER), 3),
        (at(5, by_feed=True), event(6, after=OTHER), 1),
        (at(5, by_feed=True), event(5, hash_=OTHER), 0),
        (at(5, None), event(6, epoch=7), 1),
        (at(None, None, by_feed=True), event(6, epoch=7), 1),
    ],
    ids=[
        "the next",
        "beyond a gap",
        "the last again",
        "an older one again",
        "an older one again, published in a newer epoch",
        "the last again, in a newer epoch",
        "the next, of a newer epoch that goes on",
        "the next, of an older epoch: the feed decides",
        "lost with an older epoch, where something else is now",
        "beyond a gap, in a newer epoch: the feed decides",
        "the next after the feed, which has no hashes",
        "the feed's last again",
        "the next, without a known epoch",
        "the first, of whom only NATS knows where they are",
    ],
)
def test_an_event_is_so_far_ahead(place: _Place, told: CustomerEvent, ahead: int) -> None:
    assert place.distance(told) == ahead


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (at(5), event(6, after=OTHER)),
        (at(5), event(5, hash_=OTHER)),
        (at(5), event(6, epoch=3, after=OTHER)),
        (at(5), event(5, epoch=3, hash_=OTHER)),
        (at(5, by_feed=True), event(6, epoch=3)),
        (at(5, by_feed=True), event(5, epoch=3)),
    ],
    ids=[
        "the next does not continue the last",
        "the last is another",
        "the next of a newer epoch does not continue the last",
        "the last is another in a newer epoch",
        "the next of a newer epoch, and nothing can be proved",
        "the last in a newer epoch, and nothing can be proved",
    ],
)
def test_what_cannot_follow_is_another_history(place: _Place, told: CustomerEvent) -> None:
    with pytest.raises(HistoryChanged, match=r"position 5 of epoch 2.*begin anew with after=0"):
        place.distance(told)


def test_a_newer_epoch_that_goes_on_is_the_epoch_from_then_on() -> None:
    place = at(5)
    place.distance(event(5, epoch=3))
    assert place.epoch == 3
    with pytest.raises(HistoryChanged):
        place.check([event(6, epoch=2)], 2)


def test_what_the_feed_told_can_be_proved_once_nats_has_told_it_too() -> None:
    place = at(5, by_feed=True)
    place.distance(event(5))
    with pytest.raises(HistoryChanged):
        place.distance(event(6, after=OTHER))


def test_a_page_of_the_feed_in_another_epoch_is_another_history_unless_it_is_empty() -> None:
    at(5).check([], 3)
    at(5).check([event(6)], 2)
    with pytest.raises(HistoryChanged, match="epoch 3"):
        at(5).check([event(6)], 3)


@pytest.mark.parametrize("positions", [[7], [6, 8], [5, 6], [7, 6]])
def test_a_page_that_does_not_follow_is_not_believed(positions: list[int]) -> None:
    with pytest.raises(_Away, match="position 6"):
        at(5).check([event(position) for position in positions], 2)


def test_whoever_begins_at_the_beginning_knows_the_hash_before_the_first_event() -> None:
    made = CustomerEvents(
        nats="nats://x", api="http://x", api_key="k", merchant_id="mer_1", durable="d", after=0
    )
    assert made._place.hash == first_hash("mer_1").hex()
