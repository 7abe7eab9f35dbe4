"""Who asks: the caller whose key a request carries.

In: a request. Out: its `Caller`, or the refusal: a key is given once, and in one of two headers.
"""

from __future__ import annotations

from aiohttp import web

from service.auth import Caller
from service.errors import InvalidRequest, Unauthorized
from service.http.client_address import Address, client_address
from service.services import Services


async def caller_of(services: Services, request: web.Request) -> Caller:
    """The caller. Raises Unauthorized, InvalidRequest, StoreUnavailable."""
    headers = request.headers
    name = "X-API-Key" if "X-API-Key" in headers else "Authorization"
    texts = headers.getall(name, ("",))
    if len(texts) > 1:  # another reader of this request might take the other one
        raise InvalidRequest(f"{name} is given more than once", param=name)
    text = texts[0]
    if name == "Authorization":
        scheme, _, text = text.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized

    def address() -> Address | None:
        forwarded_for = headers.getall("X-Forwarded-For", ())
        return client_address(request.remote, forwarded_for, services.trusted_proxies)

    return await services.authenticator.authenticate(text.strip(), address)
