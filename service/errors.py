"""Every error a client can be answered with, and the JSON body it is answered with.

Raised anywhere below the routes, rendered once at the border by `error_body`. Each leaf is one code of the
contract's error table; `InternalError` alone is not in it: it is what a bug looks like from outside.

    ApiError
    ├── 400  InvalidJson, InvalidRequest, UnknownParameter, InvalidCursor, CustomerTooLarge
    ├── 401  Unauthorized
    ├── 403  MerchantInactive, Forbidden
    ├── 404  CustomerNotFound, NotFound
    ├── 405  MethodNotAllowed
    ├── 408  RequestTimeout
    ├── 409  DuplicateEmail, IdempotencyKeyInUse
    ├── 410  CustomerErased
    ├── 412  VersionMismatch
    ├── 413  BodyTooLarge
    ├── 414  UriTooLong
    ├── 415  UnsupportedMediaType
    ├── 422  IdempotencyKeyReused
    ├── 429  RateLimited
    ├── 431  HeadersTooLarge
    ├── 500  InternalError
    └── 503  Unavailable
             └── Overloaded, StoreUnavailableError, ProjectionLagging
    StartupError
"""

from __future__ import annotations

from collections.abc import Iterable

from events.strict_json import shown
from service.api_error import MOST_LISTED, ApiError, MemberError, error_body

__all__ = [
    "ApiError",
    "BodyTooLarge",
    "CustomerErased",
    "CustomerNotFound",
    "CustomerTooLarge",
    "DuplicateEmail",
    "Forbidden",
    "HeadersTooLarge",
    "IdempotencyKeyInUse",
    "IdempotencyKeyReused",
    "InternalError",
    "InvalidCursor",
    "InvalidJson",
    "InvalidRequest",
    "MemberError",
    "MerchantInactive",
    "MethodNotAllowed",
    "NotFound",
    "Overloaded",
    "ProjectionLagging",
    "RateLimited",
    "RequestTimeout",
    "StartupError",
    "StoreUnavailableError",
    "Unauthorized",
    "Unavailable",
    "UnknownParameter",
    "UnsupportedMediaType",
    "UriTooLong",
    "VersionMismatch",
    "error_body",
]


MAX_LINE_BYTES = 8190
"""Of the path with its query, and of a header's value."""

MAX_HEADERS = 128


class InternalError(ApiError):
    """Something went wrong on our side. Quote the request id when you report it."""

    text = "Something went wrong on our side; quote the request id when you report it"


class InvalidJson(ApiError):
    """The body is not JSON as it is taken: UTF-8, names once, at most 8 levels, numbers of 18 digits."""

    status, code = 400, "invalid_json"


class InvalidRequest(ApiError):
    """A member, parameter or header has a value that cannot be taken."""

    status, code = 400, "invalid_request"

    @classmethod
    def of_members(cls, errors: list[MemberError]) -> InvalidRequest:
        """The refusal of a body with these (at least one) invalid members; the first gives message, param."""
        first = errors[0]
        more = f" (and {len(errors) - 1} more, see errors)" if len(errors) > 1 else ""
        if len(errors) >= MOST_LISTED:
            more = f" (errors lists the first {MOST_LISTED})"
        return cls(first.message + more, param=first.param, errors=errors)


class UnknownParameter(ApiError):
    """The query has a parameter that this route does not take."""

    status, code = 400, "unknown_parameter"

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        taken = ", ".join(known)
        takes = f"this request takes {taken}" if taken else "this request takes no parameters"
        super().__init__(f'Unknown parameter "{shown(name)}": {takes}', param=shown(name))


class InvalidCursor(ApiError):
    """A cursor that names no customer of this merchant, or a position beyond the end of its history."""

    status, code = 400, "invalid_cursor"

    def __init__(self, param: str, *, beyond: int | None = None) -> None:
        """`beyond`: the end that it lies beyond."""
        message = f"{param} must be the id of one of this merchant's customers"
        if beyond is not None:
            message = (
                f"{param} is beyond the end at {beyond}: either it is none that was answered here, or the "
                "history was restored to an earlier state; begin anew"
            )
        super().__init__(message, param=param)


class CustomerTooLarge(ApiError):
    """The customer would have more than 32 KiB as JSON."""

    status, code = 400, "customer_too_large"

    def __init__(self, size: int, limit: int, largest: str, largest_size: int) -> None:
        super().__init__(
            f"The customer would be {size} bytes of JSON; at most {limit} are allowed "
            f"({largest} alone has {largest_size})",
            param=largest,
        )


class Unauthorized(ApiError):
    """No key, a wrong one, a revoked one, or one from an address it may not come from: all answer alike."""

    status, code = 401, "unauthorized"

    def __init__(self) -> None:
        super().__init__(
            "Send a valid API key in X-API-Key (or Authorization: Bearer)",
            headers={"WWW-Authenticate": 'Bearer realm="customers"'},
        )


class MerchantInactive(ApiError):
    """The key is good, its merchant is switched off."""

    status, code = 403, "merchant_inactive"
    text = "This merchant is inactive; ask the operator of this service about it"


class Forbidden(ApiError):
    """The key lacks the scope that this operation needs."""

    status, code = 403, "forbidden"

    def __init__(self, scope: str) -> None:
        super().__init__(f'This API key lacks the scope "{scope}"; use one that has it')


class CustomerNotFound(ApiError):
    """Unknown, malformed or another merchant's id: the answer never says which. Or a PATCH of a tombstone."""

    status, code = 404, "customer_not_found"
    text = "No such customer"


class NotFound(ApiError):
    """No route has this path."""

    status, code = 404, "not_found"
    text = "Nothing is found at this path"


class MethodNotAllowed(ApiError):
    """The path exists, but not for this method."""

    status, code = 405, "method_not_allowed"

    def __init__(self, method: str, allow: Iterable[str]) -> None:
        allowed = ", ".join(sorted(allow))
        super().__init__(f"{shown(method)} is not allowed here, but {allowed}", headers={"Allow": allowed})


class RequestTimeout(ApiError):
    """The request did not arrive whole in time."""

    status, code = 408, "request_timeout"

    def __init__(self, part: str, seconds: float) -> None:
        super().__init__(f"The request's {part} did not arrive within {seconds:g} s; send it without pauses")


class BodyTooLarge(ApiError):
    """The body has more bytes than this operation takes."""

    status, code = 413, "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is too large; at most {limit} bytes are allowed")


class UriTooLong(ApiError):
    """The path and query are longer than what is read."""

    status, code = 414, "uri_too_long"
    text = f"The path and query are too long; at most {MAX_LINE_BYTES} bytes are read"


class UnsupportedMediaType(ApiError):
    """The body's `Content-Type` is not one that this operation takes, or it has a `Content-Encoding`."""

    status, code = 415, "unsupported_media_type"

    def __init__(self, message: str, *, accept_patch: str | None = None) -> None:
        super().__init__(message, headers={"Accept-Patch": accept_patch} if accept_patch else None)


class HeadersTooLarge(ApiError):
    """A header, or all together, are larger than what is read."""

    status, code = 431, "headers_too_large"
    text = (
        f"The headers are too large; at most {MAX_LINE_BYTES} bytes each and {MAX_HEADERS} of them are read"
    )


class DuplicateEmail(ApiError):
    """Another customer of the merchant has the email, whatever its spelling."""

    status, code = 409, "duplicate_email"

    def __init__(self, email: str) -> None:
        super().__init__(f'Email "{email}" already exists for this merchant', param="email")


class IdempotencyKeyInUse(ApiError):
    """The first request with this key is still in flight."""

    status, code = 409, "idempotency_key_in_use"
    text = "A request with this Idempotency-Key is still being worked on; retry shortly"
    param = "Idempotency-Key"


class CustomerErased(ApiError):
    """The customer was erased; nothing of it is left to show."""

    status, code = 410, "customer_erased"
    text = "This customer was erased"


class VersionMismatch(ApiError):
    """`If-Match` names other versions than the current one, or only weak tags, which never match."""

    status, code = 412, "version_mismatch"
    text = "The customer has changed since the version that If-Match names; read it again"
    weak = "If-Match names weak tags (W/), which never match; read the customer without expand=stats"
    param = "If-Match"


class IdempotencyKeyReused(ApiError):
    """The key was used for a different request."""

    status, code = 422, "idempotency_key_reused"
    text = "This Idempotency-Key was already used for another request; use a new one"
    param = "Idempotency-Key"


class RateLimited(ApiError):
    """The key has asked for more than its limit. Go on after the seconds in `Retry-After`."""

    status, code = 429, "rate_limited"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many requests; retry after {retry_after} s", retry_after=retry_after)


class Unavailable(ApiError):
    """It would work a little later: in about `retry_after` seconds."""

    status = 503

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__(f"{self.text}; retry after {retry_after} s", retry_after=retry_after)


class Overloaded(Unavailable):
    """More is waiting than can be done in time. Nothing was stored."""

    code = "overloaded"
    text = "The service is overloaded"


class StoreUnavailableError(Unavailable):
    """The store did not answer. A write may have happened or not: repeat it with its `Idempotency-Key`."""

    code = "store_unavailable"
    text = "The store cannot be reached (repeat a write with the same Idempotency-Key)"


class ProjectionLagging(Unavailable):
    """`fresh=true` could not be kept within its time."""

    code = "projection_lagging"
    text = "The list is behind the latest changes"


class StartupError(Exception):
    """The service cannot start; the message is one clear line without secrets."""
