"""An operation of the contract, as the route table lists it: what is asked, how, by whom, and who answers.

The same models that read a request's query and body describe them to clients: nothing can be said twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, NamedTuple

from aiohttp import web
from typing_extensions import TypeVar  # defaults of type variables are Python 3.13's

from service.api_error import ApiError
from service.body import JSON, Body
from service.call import Call
from service.parameters import Parameters

P = TypeVar("P", bound=Parameters, default=Parameters)


class Answer(NamedTuple):
    """One way in which an operation succeeds, or tells that nothing changed.

    `model` is that of the JSON, None without a body; `headers` are named as in `openapi/headers.py`; `also`
    are other media types that the same is answered as, as text, with an example each.
    """

    status: int
    text: str
    model: Any = None
    headers: tuple[str, ...] = ()
    examples: Mapping[str, Any] = {}
    media_type: str = JSON
    also: Mapping[str, str] = {}


class About(NamedTuple):
    """What clients are told about an operation, beyond what the table says.

    `name` becomes that of a function in generated clients. `headers` are the request's; `errors` those that
    follow neither from them nor from the rest of the table; `links` the operations that an answer leads to.
    """

    name: str
    summary: str
    text: str
    answers: tuple[Answer, ...]
    tag: str = "customers"
    headers: tuple[str, ...] = ()
    errors: tuple[type[ApiError], ...] = ()
    examples: Mapping[str, Any] = {}
    links: tuple[str, ...] = ()


class Operation(NamedTuple, Generic[P]):
    """One row of the table. `scope` is what a key needs, `body` None where none is taken."""

    method: str
    path: str
    scope: str
    handler: Callable[[Call, P], Awaitable[web.StreamResponse]]
    parameters: type[P]
    about: About
    body: Body | None = None


class OpenRoute(NamedTuple):
    """A path that anyone may GET, without a key."""

    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    about: About
