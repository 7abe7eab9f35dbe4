"""Which errors an operation can be answered with: those that its row implies, and those that it names.

In: an operation. Out: the error classes by status, both in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from service.api_error import ApiError
from service.errors import (
    BodyTooLarge,
    CustomerErased,
    CustomerNotFound,
    Forbidden,
    HeadersTooLarge,
    IdempotencyKeyReused,
    InternalError,
    InvalidJson,
    InvalidRequest,
    MerchantInactive,
    Overloaded,
    RateLimited,
    RequestTimeout,
    StoreUnavailableError,
    Unauthorized,
    UnknownParameter,
    UnsupportedMediaType,
    UriTooLong,
    VersionMismatch,
)
from service.operation import Operation

Errors = dict[int, list[type[ApiError]]]

OF_EVERY_ROUTE = (InvalidRequest, RequestTimeout, UriTooLong, HeadersTooLarge, InternalError)
OF_EVERY_OPERATION = (
    *OF_EVERY_ROUTE,
    UnknownParameter,
    Unauthorized,
    MerchantInactive,
    Forbidden,
    RateLimited,
    Overloaded,
    StoreUnavailableError,
)
OF_ONE_CUSTOMER = (CustomerNotFound,)
OF_CHANGES = (BodyTooLarge, UnsupportedMediaType)
OF_BODIES = (InvalidJson,)
OF_HEADERS: dict[str, tuple[type[ApiError], ...]] = {
    "Idempotency-Key": (IdempotencyKeyReused, CustomerErased),
    "If-Match": (VersionMismatch,),
}


def refusals(operation: Operation[Any]) -> Errors:
    """Every error that an operation can be answered with."""
    about = operation.about
    errors = [*OF_EVERY_OPERATION, *about.errors]
    if "{id}" in operation.path:
        errors += OF_ONE_CUSTOMER
    if operation.method != "GET":
        errors += OF_CHANGES
    if operation.body is not None:
        errors += OF_BODIES
    for header in about.headers:
        errors += OF_HEADERS.get(header, ())
    return by_status(errors)


def by_status(errors: Iterable[type[ApiError]]) -> Errors:
    """The errors under their statuses, both sorted."""
    grouped: Errors = {}
    for error in sorted(set(errors), key=lambda error: (error.status, error.code)):
        grouped.setdefault(error.status, []).append(error)
    return grouped
