"""P1: plain CRUD on one table with aiohttp and asyncpg, as short as it can be written well.

The pool and its prepared statements are asyncpg's own, JSON is orjson's, the loop uvloop's. The API key is
looked up in a constant dictionary. Nothing is kept but the row: no history, no idempotency, no encryption.
`lean` leaves out the pool's reset of connections: safe as long as nobody changes a session's settings.
"""

from __future__ import annotations

import time
from typing import Any

import asyncpg
import orjson
from aiohttp import web
from pydantic import ValidationError

from tests.benchmarks.peers.body import CustomerPatch, NewCustomer, new_id
from tests.benchmarks.peers.serving import Options, options_from_arguments, run

POOL = web.AppKey("POOL", asyncpg.Pool)
OPTIONS = web.AppKey("OPTIONS", Options)
POOL_SIZE = 16

SCHEMA = """
    CREATE TABLE customers (
        id text PRIMARY KEY,
        merchant_id text NOT NULL,
        email text NOT NULL,
        name text NOT NULL,
        phone text,
        address jsonb,
        company_name text,
        tax_id text,
        description text,
        metadata jsonb,
        created bigint NOT NULL,
        updated bigint NOT NULL,
        UNIQUE (merchant_id, email)
    )"""
COLUMNS = """id, 'customer' AS object, email, name, phone, address, company_name AS "companyName",
    tax_id AS "taxId", description, metadata, created, updated"""
INSERT = f"""
    INSERT INTO customers
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
    RETURNING {COLUMNS}"""
SELECT = f"SELECT {COLUMNS} FROM customers WHERE id = $1 AND merchant_id = $2"


async def create(request: web.Request) -> web.Response:
    merchant = merchant_of(request)
    new = NewCustomer.model_validate_json(await request.read())
    values = (
        *(new.email, new.name, new.phone, new.address),
        *(new.company_name, new.tax_id, new.description, new.metadata),
    )
    try:
        row = await request.app[POOL].fetchrow(INSERT, new_id(), merchant, *values, int(time.time()))
    except asyncpg.UniqueViolationError:
        return web.json_response({"statusCode": 409, "code": "duplicate_email"}, status=409)
    return customer(row, status=201)


async def read(request: web.Request) -> web.Response:
    return customer(await request.app[POOL].fetchrow(SELECT, request.match_info["id"], merchant_of(request)))


async def update(request: web.Request) -> web.Response:
    merchant = merchant_of(request)
    patch = CustomerPatch.model_validate_json(await request.read())
    columns = sorted(patch.model_fields_set)
    changes = ", ".join(["updated = $3", *(f"{column} = ${n}" for n, column in enumerate(columns, start=4))])
    row = await request.app[POOL].fetchrow(
        f"UPDATE customers SET {changes} WHERE id = $1 AND merchant_id = $2 RETURNING {COLUMNS}",
        *(request.match_info["id"], merchant, int(time.time())),
        *(getattr(patch, column) for column in columns),
    )
    return customer(row)


def customer(row: Any, status: int = 200) -> web.Response:
    if row is None:
        return web.json_response({"statusCode": 404, "code": "customer_not_found"}, status=404)
    return web.Response(body=orjson.dumps(dict(row)), status=status, content_type="application/json")


def merchant_of(request: web.Request) -> str:
    try:
        return request.app[OPTIONS].merchants[request.headers["X-API-Key"]]
    except KeyError:
        raise web.HTTPUnauthorized from None


@web.middleware
async def refuse_invalid(request: web.Request, handler: Any) -> Any:
    try:
        return await handler(request)
    except ValidationError as error:
        return web.json_response({"statusCode": 400, "message": str(error)}, status=400)


async def healthy(_request: web.Request) -> web.Response:
    return web.Response()


def to_json(value: Any) -> str:
    return orjson.dumps(value, default=lambda model: model.model_dump(by_alias=True)).decode()


async def use_json(connection: Any) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=to_json, decoder=orjson.loads)


async def keep_settings(_connection: Any) -> None:
    """Save the round trip with which asyncpg's pool resets a connection that is given back."""


async def database(app: web.Application) -> Any:
    options = app[OPTIONS]
    reset = keep_settings if options.lean else None
    async with asyncpg.create_pool(
        options.database_url, min_size=POOL_SIZE, max_size=POOL_SIZE, init=use_json, reset=reset
    ) as pool:
        await pool.execute(SCHEMA)
        app[POOL] = pool
        yield


def main() -> None:
    app = web.Application(middlewares=[refuse_invalid])
    app[OPTIONS] = options = options_from_arguments()
    app.cleanup_ctx.append(database)
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
