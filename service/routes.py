"""The operations, as a table. Nothing under /v1 is reachable but through it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from service.audit.history import HistoryParameters, get_history
from service.audit.ledger import get_ledger
from service.audit.past import GetParameters
from service.batch import create_customers
from service.body import JSON, MERGE_PATCH, MIB, Body
from service.commands import create_customer, delete_customer, erase_customer, update_customer
from service.creating import CreateParameters
from service.customer_input import CreateCustomer, CreateCustomers, PatchCustomer
from service.edge import edge, endpoint
from service.feed.event_feed import get_events
from service.feed.event_parameters import EventParameters
from service.health import healthz, readyz
from service.http.protocol import expect
from service.list_query import ListParameters
from service.lists import get_customers
from service.openapi import texts
from service.openapi.pages import PAGES, make_pages, send_page
from service.operation import OpenRoute, Operation
from service.parameters import Parameters
from service.reads import get_customer
from service.services import SERVICES, Services

LIST = "/v1/customers"
BATCH = "/v1/customers/batch"
ONE = "/v1/customers/{id}"
HISTORY = "/v1/customers/{id}/history"
ERASE = "/v1/customers/{id}/erase"
LEDGER = "/v1/ledger"
EVENTS = "/v1/events"

NOT_BATCH = "{id:(?!batch$)[^/]+}"
"""Anything may stand for an id; without the exception, other methods on the batch would be an id's."""

OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        "POST",
        LIST,
        "write",
        create_customer,
        CreateParameters,
        texts.CREATE_CUSTOMER,
        Body(CreateCustomer),
    ),
    Operation(
        "POST",
        BATCH,
        "write",
        create_customers,
        CreateParameters,
        texts.CREATE_CUSTOMERS,
        Body(CreateCustomers, limit=2 * MIB),
    ),
    Operation("GET", LIST, "read", get_customers, ListParameters, texts.LIST_CUSTOMERS),
    Operation("GET", ONE, "read", get_customer, GetParameters, texts.GET_CUSTOMER),
    Operation("GET", HISTORY, "audit", get_history, HistoryParameters, texts.GET_HISTORY),
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
    Operation("POST", ERASE, "erase", erase_customer, Parameters, texts.ERASE_CUSTOMER),
    Operation("GET", LEDGER, "audit", get_ledger, Parameters, texts.GET_LEDGER),
    Operation("GET", EVENTS, "read", get_events, EventParameters, texts.LIST_EVENTS),
)

OPEN_ROUTES: tuple[OpenRoute, ...] = (
    OpenRoute("/healthz", healthz, texts.HEALTHZ),
    OpenRoute("/readyz", readyz, texts.READYZ),
    OpenRoute("/openapi.json", send_page, texts.OPENAPI),
    OpenRoute("/docs", send_page, texts.DOCS),
    OpenRoute("/asyncapi.json", send_page, texts.ASYNCAPI),
)


def make_app(services: Services) -> web.Application:
    """The aiohttp application that serves the table. HEAD works wherever GET does."""
    app = web.Application(middlewares=[edge])
    app[SERVICES] = services
    for operation in OPERATIONS:
        handler = endpoint(services, operation)
        path = operation.path.replace("{id}", NOT_BATCH)
        for method in ("GET", "HEAD") if operation.method == "GET" else (operation.method,):
            app.router.add_route(method, path, handler, expect_handler=expect)
    for route in OPEN_ROUTES:
        app.router.add_get(route.path, route.handler)
    app[PAGES] = pages = make_pages(OPERATIONS, OPEN_ROUTES)
    for path in pages.keys() - {route.path for route in OPEN_ROUTES}:
        app.router.add_get(path, send_page)  # what the page of the documentation is made of
    return app
