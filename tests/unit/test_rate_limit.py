"""The token bucket, with a clock that stands still until it is moved, and what the headers say of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import RateLimited
from service.http import rate_limit
from service.http.rate_limit import LEAST_BURST, Bucket, RateLimits


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def spent(bucket: Bucket, cost: int = 1, *, when_repeated: int = 0) -> int:
    """0 if the tokens were there, else the seconds that the refusal says to wait."""
    try:
        bucket.spend(cost, when_repeated=when_repeated)
    except RateLimited as error:
        return int(error.headers["Retry-After"])
    return 0


def test_a_new_bucket_has_two_seconds_worth_and_then_refuses(clock: Clock) -> None:
    bucket = Bucket(500, clock)
    assert [spent(bucket) for _ in range(1001)] == [0] * 1000 + [1]


def test_tokens_come_back_at_the_rate(clock: Clock) -> None:
    bucket = Bucket(500, clock)
    bucket.spend(1000)
    clock.now += 0.5
    assert [spent(bucket) for _ in range(251)] == [0] * 250 + [1]


def test_an_idle_bucket_fills_to_the_brim_and_no_further(clock: Clock) -> None:
    bucket = Bucket(500, clock)
    bucket.spend(1000)
    clock.now += 3600
    assert [spent(bucket) for _ in range(1001)] == [0] * 1000 + [1]


def test_a_refusal_takes_nothing(clock: Clock) -> None:
    bucket = Bucket(500, clock)
    bucket.spend(999)
    assert spent(bucket, 100) == 1
    assert spent(bucket, 1) == 0


def test_the_slowest_key_can_afford_a_full_batch(clock: Clock) -> None:
    bucket = Bucket(1, clock)
    assert bucket.burst == LEAST_BURST
    assert spent(bucket, 100) == 0


@given(rate=st.integers(1, 2000), cost=st.integers(1, 100), used=st.integers(0, 100))
def test_who_waits_as_told_is_served_and_a_second_earlier_is_not(rate: int, cost: int, used: int) -> None:
    clock = Clock()
    bucket = Bucket(rate, clock)
    bucket.spend(bucket.burst)
    clock.now += used / rate
    wait = spent(bucket, cost)
    if wait > 1:
        clock.now += wait - 1
        assert spent(bucket, cost) == 1
        clock.now += 1
    elif wait:
        clock.now += 1
    assert not wait or spent(bucket, cost) == 0


def test_a_batch_that_is_sent_again_has_to_pay_for_its_first_token_too(clock: Clock) -> None:
    bucket = Bucket(1, clock)
    bucket.spend(50)
    bucket.spend(1)  # what a request costs before its body is known
    wait = spent(bucket, 99, when_repeated=1)
    assert wait == 51
    clock.now += wait
    assert spent(bucket, 1) == spent(bucket, 99, when_repeated=1) == 0


@pytest.mark.parametrize(
    ("rate", "policy"),
    [(500, '"default";q=1000;w=2'), (1, '"default";q=100;w=100'), (30, '"default";q=100;w=4')],
)
def test_the_policy_is_the_burst_and_how_long_it_takes_to_come_back(
    clock: Clock, rate: int, policy: str
) -> None:
    assert Bucket(rate, clock).policy == policy


def test_the_state_is_what_is_left_in_whole_requests(clock: Clock) -> None:
    bucket = Bucket(500, clock)
    bucket.spend(1)
    assert bucket.state("1") == '"default";r=999;t=1'
    bucket.spend(999)
    clock.now += 0.001
    assert spent(bucket)
    assert bucket.state("1") == '"default";r=0;t=1'
    assert re.fullmatch(r'"[a-z]+"(;[a-z]=[0-9]+)+', bucket.state("17"))  # RFC 9651: a string with parameters


def test_a_key_has_one_bucket_and_none_without_a_limit(clock: Clock) -> None:
    limits = RateLimits(clock)
    assert limits.bucket("key_1", 0) is None
    assert limits.bucket("key_1", 5) is limits.bucket("key_1", 5)
    assert limits.bucket("key_1", 5) is not limits.bucket("key_2", 5)


def test_a_key_whose_limit_is_changed_begins_anew(clock: Clock) -> None:
    limits = RateLimits(clock)
    old = limits.bucket("key_1", 500)
    new = limits.bucket("key_1", 7)
    assert old is not new
    assert new is not None
    assert new.rate == 7


def test_of_too_many_keys_those_are_forgotten_that_have_nothing_to_lose(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "MOST_KEYS", 10)
    limits = RateLimits(clock)
    for number in range(10):
        limits.bucket(f"key_{number}", 500)
    busy = limits.bucket("key_3", 500)
    assert busy is not None
    busy.spend(1)
    limits.bucket("one more", 500)
    assert limits.bucket("key_3", 500) is busy
    assert len(limits) == 2


def test_of_too_many_busy_keys_the_younger_half_is_kept(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "MOST_KEYS", 10)
    limits = RateLimits(clock)
    for number in range(1000):
        bucket = limits.bucket(f"key_{number}", 500)
        assert bucket is not None
        bucket.spend(1)
        assert len(limits) <= 10
    youngest = limits.bucket("key_999", 500)
    assert youngest is not None
    assert youngest.state("1") == '"default";r=999;t=1'
