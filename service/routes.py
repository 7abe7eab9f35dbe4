"""The operations, as a table. Nothing under /v1 is reachable but through it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from service.batch import create_customers
from service.commands import create_customer, delete_customer, erase_customer, update_customer
from service.creating import CreateParameters
from service.customer_input import CreateCustomer, CreateCustomers, PatchCustomer
from service.edge import edge, endpoint
from service.health import healthz, readyz
from service.list_query import ListParameters
from service.operation import JSON, MERGE_PATCH, MIB, Body, Operation
from service.parameters import Expandable, Parameters
from service.protocol import expect
from service.reads import get_customer, get_customers
from service.services import SERVICES, Services

LIST = "/v1/customers"
BATCH = "/v1/customers/batch"
ONE = "/v1/customers/{id}"
ERASE = "/v1/customers/{id}/erase"

NOT_BATCH = "{id:(?!batch$)[^{}/]+}"
"""An id as aiohttp's patterns say it; without the exception, other methods on the batch would be an id's."""

OPERATIONS: tuple[Operation[Any], ...] = (
    Operation("POST", LIST, "write", create_customer, CreateParameters, Body(CreateCustomer)),
    Operation(
        "POST", BATCH, "write", create_customers, CreateParameters, Body(CreateCustomers, limit=2 * MIB)
    ),
    Operation("GET", LIST, "read", get_customers, ListParameters),
    Operation("GET", ONE, "read", get_customer, Expandable),
    Operation("PATCH", ONE, "write", update_customer, Parameters, Body(PatchCustomer, (JSON, MERGE_PATCH))),
    Operation("DELETE", ONE, "write", delete_customer, Parameters),
    Operation("POST", ERASE, "erase", erase_customer, Parameters),
)


OPEN_ROUTES = (("/healthz", healthz), ("/readyz", readyz))


def make_app(services: Services) -> web.Application:
    """The aiohttp application that serves the table. HEAD works wherever GET does."""
    app = web.Application(middlewares=[edge])
    app[SERVICES] = services
    for operation in OPERATIONS:
        handler = endpoint(services, operation)
        path = operation.path.replace("{id}", NOT_BATCH)
        for method in ("GET", "HEAD") if operation.method == "GET" else (operation.method,):
            app.router.add_route(method, path, handler, expect_handler=expect)
    for path, probe in OPEN_ROUTES:
        app.router.add_get(path, probe)
    return app
