"""An operation of the contract, as the route table lists it: what is asked, how, by whom, and who answers.

The same models that read a request's query and body describe them to clients: nothing can be said twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from aiohttp import web
from typing_extensions import TypeVar  # defaults of type variables are Python 3.13's

from service.parameters import Parameters

if TYPE_CHECKING:
    from service.call import Call

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
KIB = 1024  # bytes
MIB = 1024 * KIB

P = TypeVar("P", bound=Parameters, default=Parameters)


class Body(NamedTuple):
    """A request's body: the model of its JSON, the media types it may come as, and its limit in bytes."""

    model: Any
    media_types: tuple[str, ...] = (JSON,)
    limit: int = 64 * KIB


class Operation(NamedTuple, Generic[P]):
    """One row of the table. `scope` is what a key needs, `body` None where none is taken."""

    method: str
    path: str
    scope: str
    handler: Callable[[Call, P], Awaitable[web.Response]]
    parameters: type[P]
    body: Body | None = None
