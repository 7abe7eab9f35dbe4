"""P3: an application of the `eventsourcing` library on its own PostgreSQL recorders, behind aiohttp.

The library is synchronous: each request runs in a thread. Its database functions are on. Emails are not
unique here, since the library has no place for that. Its PostgreSQL packages are not among the project's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import orjson
from aiohttp import web
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import Aggregate, event

from tests.benchmarks.peers.body import CustomerPatch, NewCustomer
from tests.benchmarks.peers.serving import Options, options_from_arguments, run

THREADS = 16


class Customer(Aggregate):
    @event("Created")
    def __init__(self, merchant_id: str, personal: dict[str, Any]) -> None:
        self.merchant_id = merchant_id
        self.personal = personal

    @event("Updated")
    def change(self, personal: dict[str, Any]) -> None:
        self.personal |= personal


class Customers(Application[UUID]):
    def create(self, merchant_id: str, new: NewCustomer) -> Customer:
        customer = Customer(merchant_id=merchant_id, personal=new.model_dump(by_alias=True))
        self.save(customer)
        return customer

    def find(self, merchant_id: str, customer_id: str) -> Customer:
        customer: Customer = self.repository.get(UUID(customer_id.removeprefix("cus_")))
        if customer.merchant_id != merchant_id:
            raise AggregateNotFoundError
        return customer

    def change(self, merchant_id: str, customer_id: str, patch: CustomerPatch) -> Customer:
        customer = self.find(merchant_id, customer_id)
        customer.change(personal=patch.model_dump(by_alias=True, exclude_unset=True))
        self.save(customer)
        return customer


OPTIONS = web.AppKey("OPTIONS", Options)
CUSTOMERS = web.AppKey("CUSTOMERS", Customers)


async def create(request: web.Request) -> web.Response:
    new = NewCustomer.model_validate_json(await request.read())
    return answer(
        await asyncio.to_thread(request.app[CUSTOMERS].create, merchant_of(request), new), status=201
    )


async def read(request: web.Request) -> web.Response:
    customer_id = request.match_info["id"]
    return answer(await asyncio.to_thread(request.app[CUSTOMERS].find, merchant_of(request), customer_id))


async def update(request: web.Request) -> web.Response:
    patch = CustomerPatch.model_validate_json(await request.read())
    customer_id = request.match_info["id"]
    customers = request.app[CUSTOMERS]
    return answer(await asyncio.to_thread(customers.change, merchant_of(request), customer_id, patch))


async def healthy(_request: web.Request) -> web.Response:
    return web.Response()


def merchant_of(request: web.Request) -> str:
    return request.app[OPTIONS].merchants[request.headers["X-API-Key"]]


def answer(customer: Customer, status: int = 200) -> web.Response:
    content = {
        "id": f"cus_{customer.id.hex}",
        "object": "customer",
        "email": customer.personal["email"],
        "name": customer.personal["name"],
        **customer.personal,
        "created": int(customer.created_on.timestamp()),
        "updated": int(customer.modified_on.timestamp()),
    }
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")


def persistence(database_url: str) -> dict[str, str]:
    url = urlsplit(database_url)
    query = parse_qs(url.query)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": url.path.removeprefix("/"),
        "POSTGRES_HOST": query["host"][0],
        "POSTGRES_PORT": query["port"][0],
        "POSTGRES_USER": url.username or "",
        "POSTGRES_PASSWORD": "",
        "POSTGRES_POOL_SIZE": str(THREADS),
        "POSTGRES_ENABLE_DB_FUNCTIONS": "yes",
    }


async def library(app: web.Application) -> AsyncIterator[None]:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    with Customers(env=persistence(app[OPTIONS].database_url)) as customers:
        app[CUSTOMERS] = customers
        yield


def main() -> None:
    app = web.Application()
    app[OPTIONS] = options = options_from_arguments()
    app.cleanup_ctx.append(library)
    app.add_routes(
        [
            web.get("/healthz", healthy),
            web.post("/v1/customers", create),
            web.get("/v1/customers/{id}", read),
            web.patch("/v1/customers/{id}", update),
        ]
    )
    run(app, options.port)


if __name__ == "__main__":
    main()
