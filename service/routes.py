"""The operations, as a table. Nothing under /v1 is reachable but through it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from service.commands import create_customer, delete_customer, update_customer
from service.customer_input import CreateCustomer, PatchCustomer
from service.edge import edge, endpoint
from service.health import healthz, readyz
from service.list_query import ListParameters
from service.openapi import texts
from service.openapi.pages import PAGES, make_pages, send_page
from service.operation import JSON, MERGE_PATCH, Body, OpenRoute, Operation
from service.parameters import Expandable, Parameters
from service.protocol import expect
from service.reads import get_customer, get_customers
from service.services import SERVICES, Services

LIST = "/v1/customers"
ONE = "/v1/customers/{id}"

OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        "POST", LIST, "write", create_customer, Parameters, texts.CREATE_CUSTOMER, Body(CreateCustomer)
    ),
    Operation("GET", LIST, "read", get_customers, ListParameters, texts.LIST_CUSTOMERS),
    Operation("GET", ONE, "read", get_customer, Expandable, texts.GET_CUSTOMER),
    Operation(
        "PATCH",
        ONE,
        "write",
        update_customer,
        Parameters,
        texts.UPDATE_CUSTOMER,
        Body(PatchCustomer, (JSON, MERGE_PATCH)),
    ),
    Operation("DELETE", ONE, "write", delete_customer, Parameters, texts.DELETE_CUSTOMER),
)

OPEN_ROUTES: tuple[OpenRoute, ...] = (
    OpenRoute("/healthz", healthz, texts.HEALTHZ),
    OpenRoute("/readyz", readyz, texts.READYZ),
    OpenRoute("/openapi.json", send_page, texts.OPENAPI),
    OpenRoute("/docs", send_page, texts.DOCS),
)


def make_app(services: Services) -> web.Application:
    """The aiohttp application that serves the table. HEAD works wherever GET does."""
    app = web.Application(middlewares=[edge])
    app[SERVICES] = services
    for operation in OPERATIONS:
        handler = endpoint(services, operation)
        for method in ("GET", "HEAD") if operation.method == "GET" else (operation.method,):
            app.router.add_route(method, operation.path, handler, expect_handler=expect)
    for route in OPEN_ROUTES:
        app.router.add_get(route.path, route.handler)
    app[PAGES] = pages = make_pages(OPERATIONS, OPEN_ROUTES)
    for path in pages.keys() - {route.path for route in OPEN_ROUTES}:
        app.router.add_get(path, send_page)  # what the page of the documentation is made of
    return app
