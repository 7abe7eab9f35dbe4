"""If-Match and If-None-Match against a version."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidRequest
from service.preconditions import etag, matches_if_match, matches_if_none_match


def test_the_tag_is_the_version_in_quotes() -> None:
    assert etag(3) == '"3"'


@given(st.integers(1, 2**63))
def test_a_version_matches_its_own_tag(version: int) -> None:
    assert matches_if_match(etag(version), version)
    assert matches_if_none_match(etag(version), etag(version))
    assert not matches_if_match(etag(version), version + 1)
    assert not matches_if_none_match(etag(version), etag(version + 1))


@pytest.mark.parametrize(
    "header",
    ["*", " * ", '"3"', ' "3" ', '"1","3"', '"1" , "3"', ',"3",', '"1",\t"3",,', '"a,b", "3"', 'W/"1", "3"'],
)
def test_lists_and_the_star_match(header: str) -> None:
    assert matches_if_match(header, 3)
    assert matches_if_none_match(header, etag(3))


@pytest.mark.parametrize("header", ['"1"', '"33"', '"03"', '"3x"', '""', '"3,"', '"é"', '"W/3"'])
def test_other_tags_do_not_match(header: str) -> None:
    assert not matches_if_match(header, 3)
    assert not matches_if_none_match(header, etag(3))


def test_a_weak_tag_matches_only_where_weak_comparison_is_asked() -> None:
    assert not matches_if_match('W/"3"', 3)
    assert matches_if_none_match('W/"3"', etag(3))


@pytest.mark.parametrize(
    "header",
    ["", " ", ",", "3", "'3'", '"3', '3"', 'w/"3"', 'W/ "3"', '"3" "4"', '*, "3"', '"3";', '"a b"', '"a"b"'],
)
def test_a_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(InvalidRequest, match=r"If-Match must be \* or a list of entity tags") as refused:
        matches_if_match(header, 3)
    assert refused.value.param == "If-Match"
    with pytest.raises(InvalidRequest, match=r"If-None-Match must be"):
        matches_if_none_match(header, etag(3))


def test_a_hostile_header_costs_no_more_than_its_length() -> None:
    for header in (" " * 100_000 + "x", '"1"' + " " * 100_000 + "x", "," * 100_000, '"' * 100_001):
        with pytest.raises(InvalidRequest):
            matches_if_match(header, 3)
