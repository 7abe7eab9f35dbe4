"""Many creates in one request: each succeeds or fails by itself, and the answers stand in order.

In: a batch. Out: a result for each item, which holds what POST /v1/customers would have answered to it. The
items of a batch share their commits, as concurrent requests do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from service.call import Call, Retry
from service.creating import CreateParameters, OnDuplicate, create
from service.customer_input import parse_batch, parse_item
from service.edge import named
from service.errors import error_body
from service.responses import CONTENT_TYPE
from service.results import rendered

AT_ONCE = 10
"""Items that are prepared in one turn of the loop (about 1 ms): other requests wait no longer for theirs."""


async def create_customers(call: Call, asked: CreateParameters) -> web.Response:
    """POST /v1/customers/batch."""
    items = parse_batch(await call.json())
    call.spend(len(items) - 1)
    key = call.idempotency_key()
    under_way: list[asyncio.Task[bytes]] = []
    for number, item in enumerate(items):
        own = None if key is None else f"{key}/{number}"
        under_way.append(asyncio.create_task(_item_result(call, item, own, asked.on_duplicate)))
        if number % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
    return _batch_response(await asyncio.gather(*under_way))


async def _item_result(call: Call, item: Any, key: str | None, on_duplicate: OnDuplicate | None) -> bytes:
    try:
        given, own_key = parse_item(item)
        retry = _retry(call, own_key or key, item)
        result = await create(call, given, retry, on_duplicate, may_be_large=True)
    except Exception as error:  # noqa: BLE001  # whatever it is, the other items have their own answers
        refused = named(error, call.request, call.request_id)
        return b'{"status":%d,"error":%b}' % (refused.status, error_body(refused, call.request_id))
    replayed = b',"replayed":true' if result.replayed else b""
    return b'{"status":%d,"customer":%b%b}' % (result.status, rendered(result.customer), replayed)


def _retry(call: Call, key: str | None, item: dict[str, Any]) -> Retry | None:
    if key is None:
        return None
    body = {name: value for name, value in item.items() if name != "idempotencyKey"}
    return call.retry_under(key, body)


def _batch_response(results: Iterable[bytes]) -> web.Response:
    body = b'{"object":"batch","results":[%b]}' % b",".join(results)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})
