"""The operations, as a table. Nothing under /v1 is reachable but through it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from service.commands import create_customer, delete_customer, update_customer
from service.customer_input import CreateCustomer, PatchCustomer
from service.edge import edge, endpoint
from service.health import healthz, readyz
from service.list_query import ListParameters
from service.lists import get_customers
from service.operation import JSON, MERGE_PATCH, Body, Operation
from service.parameters import Expandable, Parameters
from service.protocol import expect
from service.reads import get_customer
from service.services import SERVICES, Services

LIST = "/v1/customers"
ONE = "/v1/customers/{id}"

OPERATIONS: tuple[Operation[Any], ...] = (
    Operation("POST", LIST, "write", create_customer, Parameters, Body(CreateCustomer)),
    Operation("GET", LIST, "read", get_customers, ListParameters),
    Operation("GET", ONE, "read", get_customer, Expandable),
    Operation("PATCH", ONE, "write", update_customer, Parameters, Body(PatchCustomer, (JSON, MERGE_PATCH))),
    Operation("DELETE", ONE, "write", delete_customer, Parameters),
)


OPEN_ROUTES = (("/healthz", healthz), ("/readyz", readyz))


def make_app(services: Services) -> web.Application:
    """The aiohttp application that serves the table. HEAD works wherever GET does."""
    app = web.Application(middlewares=[edge])
    app[SERVICES] = services
    for operation in OPERATIONS:
        handler = endpoint(services, operation)
        for method in ("GET", "HEAD") if operation.method == "GET" else (operation.method,):
            app.router.add_route(method, operation.path, handler, expect_handler=expect)
    for path, probe in OPEN_ROUTES:
        app.router.add_get(path, probe)
    return app
