"""The error tree against the contract's table, and the body that clients read."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from events.strict_json import SHOWN_LENGTH, shown
from service import errors
from service.api_error import phrase
from service.errors import ApiError, InvalidRequest, MemberError, error_body

# The contract's table, row by row.
CONTRACT = {
    400: {"invalid_json", "invalid_request", "unknown_parameter", "invalid_cursor", "customer_too_large"},
    401: {"unauthorized"},
    403: {"merchant_inactive", "forbidden"},
    404: {"customer_not_found", "not_found"},
    405: {"method_not_allowed"},
    408: {"request_timeout"},
    409: {"duplicate_email", "idempotency_key_in_use"},
    410: {"customer_erased"},
    412: {"version_mismatch"},
    413: {"body_too_large"},
    414: {"uri_too_long"},
    415: {"unsupported_media_type"},
    422: {"idempotency_key_reused"},
    429: {"rate_limited"},
    431: {"headers_too_large"},
    503: {"overloaded", "store_unavailable", "projection_lagging"},
}


def leaves(top: type[ApiError]) -> Iterator[type[ApiError]]:
    for child in top.__subclasses__():
        if child.__subclasses__():
            yield from leaves(child)
        else:
            yield child


def test_the_tree_has_one_leaf_for_each_code_of_the_contract_and_no_other() -> None:
    documented = [leaf for leaf in leaves(ApiError) if leaf is not errors.InternalError]
    table = sorted((status, code) for status, codes in CONTRACT.items() for code in codes)
    assert sorted((leaf.status, leaf.code) for leaf in documented) == table


def test_the_modules_docstring_draws_every_leaf() -> None:
    drawing = errors.__doc__ or ""
    assert [leaf.__name__ for leaf in leaves(ApiError) if leaf.__name__ not in drawing] == []


def test_the_body_of_a_duplicate_email_is_the_contracts_example() -> None:
    body = error_body(errors.DuplicateEmail("john@example.com"), "req_1")
    assert body == (
        b'{"statusCode":409,"message":"Email \\"john@example.com\\" already exists for this merchant",'
        b'"error":"Conflict","code":"duplicate_email","param":"email","requestId":"req_1"}'
    )


def test_the_body_lists_every_invalid_member_and_names_the_first() -> None:
    found = [MemberError("email", "required", "email is required"), MemberError("name", "too_short", "…")]
    body = orjson.loads(error_body(InvalidRequest.of_members(found), "req_1"))
    assert list(body) == ["statusCode", "message", "error", "code", "param", "requestId", "errors"]
    assert body["message"] == "email is required (and 1 more, see errors)"
    assert body["param"] == "email"
    assert body["errors"][1] == {"param": "name", "code": "too_short", "message": "…"}


def test_the_body_has_no_param_when_nothing_particular_is_at_fault() -> None:
    assert list(orjson.loads(error_body(errors.NotFound(), "req_1"))) == [
        "statusCode",
        "message",
        "error",
        "code",
        "requestId",
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "Bad Request"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (422, "Unprocessable Content"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (503, "Service Unavailable"),
    ],
)
def test_the_phrase_is_that_of_the_rfc_on_every_python(status: int, expected: str) -> None:
    assert phrase(status) == expected


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (errors.Unauthorized(), "WWW-Authenticate", 'Bearer realm="customers"'),
        (errors.MethodNotAllowed("PUT", ["POST", "GET", "HEAD"]), "Allow", "GET, HEAD, POST"),
        (
            errors.UnsupportedMediaType("…", accept_patch="application/json"),
            "Accept-Patch",
            "application/json",
        ),
        (errors.RateLimited(3), "Retry-After", "3"),
        (errors.Overloaded(), "Retry-After", "1"),
        (errors.StoreUnavailableError(2), "Retry-After", "2"),
        (errors.ProjectionLagging(), "Retry-After", "1"),
    ],
)
def test_an_error_brings_the_header_that_belongs_to_it(error: ApiError, header: str, value: str) -> None:
    assert error.headers == {header: value}


def test_an_unknown_parameter_is_named_along_with_those_that_are_taken() -> None:
    error = errors.UnknownParameter("limt", ("limit", "email"))
    assert error.message == 'Unknown parameter "limt": this request takes limit, email'
    assert error.param == "limt"


def test_a_clients_own_text_is_shown_short_and_printable() -> None:
    assert shown("a\ud800\n\x00b") == "a\N{REPLACEMENT CHARACTER}" + 2 * "\N{REPLACEMENT CHARACTER}" + "b"
    assert len(shown("x" * 10_000)) == SHOWN_LENGTH
    assert orjson.loads(error_body(errors.UnknownParameter("\ud800" * 1000), "req_1"))["statusCode"] == 400
