"""The running API: its services, its listener, and its end.

In: settings, where the database is, the keys. Out: an HTTP server until told to stop; then requests under way
are finished first.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable

import structlog
from aiohttp import web

from events.database import Database
from events.errors import MasterKeyMismatch, StoreError
from events.master_keys import MasterKeys
from events.memory import settle_memory
from events.queries import DROP_OLD_IDEMPOTENCY_KEYS
from projections.rebuild.shadows import drop_abandoned_shadows
from service.beside import beside
from service.errors import StartupError
from service.http.connections import room_for_connections
from service.http.protocol import ContractRunner, Limits
from service.routes import make_app
from service.services import Services, open_services
from service.settings import Settings

IDEMPOTENCY_KEYS_KEPT = 48 * 3600 * 1_000_000
"""µs; the contract promises 24 hours."""

KEYS_AT_ONCE = 1000
CLEANING_SECONDS = 600.0
CUT_SECONDS = 1.0
"""What is left to connections once no request is under way any more, or too long."""
BACKLOG = 1024

log = structlog.get_logger(__name__)


async def run_api(
    settings: Settings,
    *,
    database_url: str,
    master_keys: MasterKeys,
    host: str,
    port: int,
    on_ready: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set; `on_ready` gets the URL.

    Raises:
        StartupError: the master key does not fit, or the address is taken. StoreUnavailable.
    """
    try:
        async with (
            open_services(settings, database_url, master_keys) as services,
            beside([_clean(services.database)], stop),
        ):
            await _listen(settings, services, host, port, on_ready, stop)
    except MasterKeyMismatch as error:
        raise StartupError(f"wrong master key: {error}") from None


async def _listen(
    settings: Settings,
    services: Services,
    host: str,
    port: int,
    on_ready: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    limits = Limits(
        settings.header_seconds,
        settings.body_seconds,
        settings.idle_seconds,
        room_for_connections(settings.max_connections),
    )
    runner = ContractRunner(make_app(services), limits, shutdown_timeout=CUT_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=BACKLOG)
        try:
            await site.start()
        except OSError as error:
            reason = "address already in use" if error.errno == errno.EADDRINUSE else error.strerror
            raise StartupError(
                f"cannot listen on {host} port {port}: {reason}; choose others with --host, --port"
            ) from None
        settle_memory()
        on_ready(_url(host, runner))
        await stop.wait()
        services.stopping.set()
        services.followers.let_go()
        await asyncio.sleep(settings.drain_seconds)
        await site.stop()
        # Before cleaning up: aiohttp would throw away what still arrives of a body.
        await services.under_way.wait_until_none(settings.shutdown_seconds)
    finally:
        await runner.cleanup()


async def forget_idempotency_keys(database: Database) -> None:
    """Forget those that are older than IDEMPOTENCY_KEYS_KEPT. Raises StoreError."""
    while await database.fetch(DROP_OLD_IDEMPOTENCY_KEYS, IDEMPOTENCY_KEYS_KEPT, KEYS_AT_ONCE):
        pass


async def _clean(database: Database) -> None:
    """Forget old idempotency keys and what killed rebuilds left, for as long as the process lives."""
    while True:
        for forget in (forget_idempotency_keys, drop_abandoned_shadows):
            try:
                await forget(database)
            except StoreError as error:
                log.warning("cleaning_failed", work=forget.__name__, reason=str(error))
        await asyncio.sleep(CLEANING_SECONDS)


def _url(host: str, runner: web.AppRunner) -> str:
    port = runner.addresses[0][1]
    # "Any address" is nothing to connect to; compared here, not listened on.
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"
