"""What every refusal has in common, and the JSON that a client reads.

In: an error of the tree in `service.errors` and the request's id. Out: the body in the contract's order of
members. Texts that a client sent are repeated through `shown` only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

import orjson

# RFC 9110 renamed these; http.HTTPStatus has the older phrases before Python 3.13.
_PHRASES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}

MOST_LISTED = 50  # member errors in one answer; a body can have thousands


def phrase(status: int) -> str:
    """The reason phrase of a status, as RFC 9110 (and RFC 6585 for 429 and 431) spells it."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


@dataclass(frozen=True, slots=True)
class MemberError:
    """What is wrong with one member of a body: its dotted path, a member code of the contract, a sentence."""

    param: str
    code: str
    message: str


class ApiError(Exception):
    """One refusal: `status` and `code` belong to the class, the rest to the occasion.

    `param` names the member, parameter or header at fault; `errors` lists every invalid member;
    `retry_after` is in seconds and becomes a header too. Refusals that are alike share a class's `text`.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    text: ClassVar[str] = ""
    param: str | None = None

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        errors: Iterable[MemberError] = (),
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = self.text if message is None else message
        super().__init__(self.message)
        if param is not None:
            self.param = param
        self.errors = list(errors)
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)


def error_body(error: ApiError, request_id: str) -> bytes:
    """The error as the contract's JSON; `param` and `errors` are there only when something is at fault."""
    body: dict[str, Any] = {
        "statusCode": error.status,
        "message": error.message,
        "error": phrase(error.status),
        "code": error.code,
    }
    if error.param is not None:
        body["param"] = error.param
    body["requestId"] = request_id
    if error.errors:
        body["errors"] = error.errors
    return orjson.dumps(body)
