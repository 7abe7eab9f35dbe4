"""Query strings of lists: defaults, ranges, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from projections.customer_list import EARLIEST, LATEST
from service.errors import ApiError, InvalidCursor, InvalidRequest, UnknownParameter
from service.list_query import ListParameters, ListQuery, list_query
from service.parameters import Expandable, Parameters, parse_query

ID = "cus_01jd4q8w9zexampxexampxe000"
MICROSECONDS = 1_000_000


def parse_list_query(pairs: Iterable[tuple[str, str]]) -> ListQuery:
    return list_query(parse_query(ListParameters, pairs))


def refusal(*pairs: tuple[str, str]) -> ApiError:
    with pytest.raises(ApiError) as refused:
        parse_list_query(pairs)
    return refused.value


def test_nothing_asked_is_the_first_ten_customers() -> None:
    assert parse_list_query([]) == ListQuery(limit=10)


def test_everything_can_be_asked_at_once() -> None:
    query = parse_list_query(
        [("limit", "100"), ("startingAfter", ID), ("email", "John@Example.com"), ("created[gte]", "5")]
    )
    assert query == ListQuery(100, ID, None, "john@example.com", (5 * MICROSECONDS, LATEST))


@pytest.mark.parametrize(
    "limit", ["0", "101", "-1", "", "ten", "1.0", "1e1", " 5", "+5", "\u0665", "9" * 5000]
)
def test_a_limit_is_an_integer_from_1_to_100(limit: str) -> None:
    error = refusal(("limit", limit))
    assert isinstance(error, InvalidRequest)
    assert (error.message, error.param) == ("limit must be an integer from 1 to 100", "limit")


@pytest.mark.parametrize("limit", [1, 10, 100])
def test_both_ends_of_the_limit_are_taken(limit: int) -> None:
    assert parse_list_query([("limit", str(limit))]).limit == limit


def test_every_filter_arrives() -> None:
    query = parse_list_query(
        [
            ("companyName", "Acme"),
            ("metadata[tier]", "gold"),
            ("metadata[a b]", "c"),
            ("q", "jo"),
            ("deleted", "true"),
            ("count", "true"),
            ("fresh", "false"),
        ]
    )
    assert (query.company_name, query.words, query.metadata) == ("Acme", "jo", {"tier": "gold", "a b": "c"})
    assert (query.deleted, query.count, query.fresh) == (True, True, False)


def test_only_one_cursor_may_be_given() -> None:
    assert isinstance(refusal(("startingAfter", ID), ("endingBefore", ID)), InvalidRequest)


@pytest.mark.parametrize("name", ["startingAfter", "endingBefore"])
@pytest.mark.parametrize("text", ["", "cus_", "cus_*", ID.upper(), ID + "0", "cus_" + "l" * 26, "cus_\x00"])
def test_a_malformed_cursor_is_refused_as_an_unknown_one(name: str, text: str) -> None:
    error = refusal((name, text))
    assert isinstance(error, InvalidCursor)
    assert error.param == name


def test_the_cursors_are_ids() -> None:
    assert parse_list_query([("startingAfter", ID)]).starting_after == ID
    assert parse_list_query([("endingBefore", ID)]).ending_before == ID


@pytest.mark.parametrize("text", ["*", "%", "john", "'; --", "a\x00@example.com"])
def test_an_email_that_is_none_matches_no_customer(text: str) -> None:
    assert parse_list_query([("email", text)]).email_key == ""


def test_an_empty_email_is_refused() -> None:
    assert isinstance(refusal(("email", "")), InvalidRequest)


@pytest.mark.parametrize(
    ("pairs", "first", "last"),
    [
        ([("created[gt]", "10")], 11 * MICROSECONDS, LATEST),
        ([("created[gte]", "10")], 10 * MICROSECONDS, LATEST),
        ([("created[lt]", "10")], EARLIEST, 10 * MICROSECONDS - 1),
        ([("created[lte]", "10")], EARLIEST, 11 * MICROSECONDS - 1),
        ([("created[gt]", "10"), ("created[gte]", "20")], 20 * MICROSECONDS, LATEST),
        ([("created[gte]", "10"), ("created[gt]", "10")], 11 * MICROSECONDS, LATEST),
        ([("created[lt]", "10"), ("created[lte]", "20")], EARLIEST, 10 * MICROSECONDS - 1),
        ([("created[gte]", "10"), ("created[lte]", "10")], 10 * MICROSECONDS, 11 * MICROSECONDS - 1),
        ([("created[gte]", "0"), ("created[lte]", "253402300799")], 0, 253_402_300_800 * MICROSECONDS - 1),
    ],
)
def test_created_filters_become_an_inclusive_range_of_microseconds(
    pairs: list[tuple[str, str]], first: int, last: int
) -> None:
    assert parse_list_query(pairs).created == (first, last)
    updated = [(name.replace("created", "updated"), value) for name, value in pairs]
    assert parse_list_query(updated).updated == (first, last)
    assert max(first, last) < 2**63


@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte"])
@pytest.mark.parametrize(
    "text", ["", "-1", "253402300800", "1" * 30, "1.5", "now", "2024-01-01", "1_0", "\u0661"]
)
def test_a_time_is_whole_unix_seconds_within_four_digit_years(operator: str, text: str) -> None:
    error = refusal((f"created[{operator}]", text))
    assert isinstance(error, InvalidRequest)
    assert "Unix seconds" in error.message
    assert error.param == f"created[{operator}]"


@pytest.mark.parametrize(
    "name", ["page", "Limit", "created", "created[eq]", "created[gt", "expand[]", "", "merchantId"]
)
def test_an_unknown_parameter_is_refused_by_name(name: str) -> None:
    error = refusal((name, "1"))
    assert isinstance(error, UnknownParameter)
    assert error.param == name


@pytest.mark.parametrize("name", ["limit", "email", "startingAfter", "created[gt]"])
def test_a_repeated_parameter_is_refused(name: str) -> None:
    error = refusal((name, "1"), (name, "1"))
    assert isinstance(error, InvalidRequest)
    assert error.message == f"{name} is given more than once"


def test_routes_without_parameters_refuse_every_one() -> None:
    parse_query(Parameters, [])
    with pytest.raises(UnknownParameter, match='Unknown parameter "x": this request takes no parameters'):
        parse_query(Parameters, [("x", "1")])


@pytest.mark.parametrize("model", [Expandable, ListParameters])
def test_stats_are_asked_for_by_name(model: type[Expandable]) -> None:
    assert parse_query(model, []).expand is None
    assert parse_query(model, [("expand", "stats")]).expand == "stats"
    with pytest.raises(InvalidRequest, match="expand must be 'stats'"):
        parse_query(model, [("expand", "charges")])
