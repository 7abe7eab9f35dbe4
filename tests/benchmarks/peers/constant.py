"""P4: aiohttp answering a constant of a customer's size: the ceiling of any service on aiohttp."""

from __future__ import annotations

import orjson
from aiohttp import web

from tests.benchmarks.peers.body import new_id
from tests.benchmarks.peers.serving import options_from_arguments, run

CUSTOMER = orjson.dumps(
    {
        "id": new_id(),
        "object": "customer",
        "email": "ada.r1.000000001@example.com",
        "name": "John Doe",
        "phone": "+1234567890",
        "address": {
            "line1": "123 Main St",
            "line2": "Apt 4B",
            "city": "San Francisco",
            "state": "CA",
            "postalCode": "94102",
            "country": "US",
        },
        "companyName": "Acme Inc",
        "taxId": "12-3456789",
        "description": "VIP customer",
        "metadata": {"tier": "gold", "source": "referral"},
        "created": 1706554800,
        "updated": 1706554800,
    }
)


async def answer(_request: web.Request) -> web.Response:
    return web.Response(body=CUSTOMER, content_type="application/json")


def main() -> None:
    app = web.Application()
    app.add_routes([web.get("/healthz", answer), web.get("/v1/customers/{id}", answer)])
    run(app, options_from_arguments().port)


if __name__ == "__main__":
    main()
