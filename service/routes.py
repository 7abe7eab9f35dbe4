"""The routes, as a table: method, path, scope, handler. Nothing under /v1 is reachable but through it."""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import web

from service.call import BODY_LIMIT
from service.commands import create_customer, delete_customer, update_customer
from service.edge import Handler, edge, endpoint
from service.health import healthz, readyz
from service.protocol import expect
from service.reads import get_customer, get_customers
from service.services import SERVICES, Services


class Route(NamedTuple):
    """One operation of the contract."""

    method: str
    path: str
    scope: str
    handler: Handler


ROUTES = (
    Route("POST", "/v1/customers", "write", create_customer),
    Route("GET", "/v1/customers", "read", get_customers),
    Route("GET", "/v1/customers/{id}", "read", get_customer),
    Route("PATCH", "/v1/customers/{id}", "write", update_customer),
    Route("DELETE", "/v1/customers/{id}", "write", delete_customer),
)

OPEN_ROUTES = (("/healthz", healthz), ("/readyz", readyz))


def make_app(services: Services) -> web.Application:
    """The aiohttp application that serves the table. HEAD works wherever GET does."""
    app = web.Application(middlewares=[edge], client_max_size=BODY_LIMIT)
    app[SERVICES] = services
    for route in ROUTES:
        handler = endpoint(services, route.scope, route.handler)
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            app.router.add_route(method, route.path, handler, expect_handler=expect)
    for path, probe in OPEN_ROUTES:
        app.router.add_get(path, probe)
    return app
