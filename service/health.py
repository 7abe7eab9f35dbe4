"""Health: whether the process lives, and whether it should get requests now."""

from __future__ import annotations

from aiohttp import web

from events.errors import StoreError
from service.queries import READY
from service.services import SERVICES


async def healthz(_: web.Request) -> web.Response:
    """GET /healthz: the process answers."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """GET /readyz: not stopping, and the store answers; else 503 with the reason."""
    services = request.app[SERVICES]
    if services.stopping.is_set():
        return _unready("stopping")
    try:
        await services.database.fetch(READY)
    except StoreError:
        return _unready("the store cannot be reached")
    return web.json_response({"status": "ready"})


def _unready(reason: str) -> web.Response:
    return web.json_response(
        {"status": "unready", "reason": reason}, status=503, headers={"Retry-After": "1"}
    )
