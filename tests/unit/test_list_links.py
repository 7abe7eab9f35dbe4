"""The Link header of lists."""

from __future__ import annotations

from service.list_links import LONGEST, link_header

ID = "cus_01jd4q8w9zexampxexampxe000"


def test_links_keep_what_was_asked_but_the_cursor() -> None:
    asked = [("limit", "5"), ("q", "jo & co"), ("startingAfter", "cus_1")]
    header = link_header("/v1/customers", asked, next_after=ID, prev_before=None)
    assert header == f'</v1/customers?limit=5&q=jo+%26+co&startingAfter={ID}>; rel="next"'


def test_there_are_both_ways_or_none() -> None:
    header = link_header("/v1/customers", [], next_after=ID, prev_before=ID)
    assert header is not None
    assert header.count("rel=") == 2
    assert link_header("/v1/customers", [], next_after=None, prev_before=None) is None


def test_a_header_that_clients_would_refuse_is_left_out() -> None:
    long = [(f"metadata[{number}]", "é" * 100) for number in range(10)]
    assert link_header("/v1/customers", long, next_after=ID, prev_before=None) is None
    short = link_header("/v1/customers", long[:1], next_after=ID, prev_before=ID)
    assert short is not None
    assert len(short) <= LONGEST
