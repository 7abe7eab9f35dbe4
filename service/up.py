"""What `customers up` does: servers, schema, keys, API; and at the stop the same in reverse.

In: the settings, and an event that ends it. Out: a running service, announced in the data directory. Every
failure that was foreseen is raised as one clear line, before anything was damaged.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from events.database import Database
from events.errors import MasterKeyMismatch
from events.key_checks import check_master_keys
from events.master_keys import MasterKeys
from events.proof.checkpointing import run_checkpoints
from events.stream.broker import Broker
from events.stream.relay import run_relay
from service.app import run_api
from service.audit.erasure_list import prove_erasures
from service.beside import beside
from service.brokers import named_broker
from service.databases import DatabaseUrls, named_database, refuse_to_serve_as_administrator
from service.demo.merchant import Demo, ensure_demo
from service.embedded.data_directory import Announcement, DataDirectory
from service.embedded.nats import EmbeddedNats
from service.embedded.own_servers import Say, kept_running
from service.embedded.postgres import EmbeddedPostgres
from service.errors import StartupError
from service.master_key import has_master_keys, load_master_keys, make_master_keys
from service.projecting import keep_billing_streams, run_projections
from service.schema import migrate
from service.settings import Settings

DATABASE = "customers"
APPLICATION_ROLE = "customers_app"


async def run_up(
    settings: Settings, *, stop: asyncio.Event, say: Say, on_ready: Callable[[Announcement], None]
) -> None:
    """Run everything until `stop` is set. `say` gets lines about progress, `on_ready` what dev.json holds.

    Raises:
        DataDirectoryError, EmbeddedNatsError, EmbeddedPostgresError, MigrationError, StartupError,
        StoreError.
    """
    refuse_to_serve_as_administrator(settings)
    directory = DataDirectory(settings.data_dir)
    directory.prepare()
    with directory.locked():
        require_free_port(settings.host, settings.port)
        async with (
            database(settings, directory, say) as urls,
            broker(settings, directory, say) as nats,
        ):
            await migrate(urls.administrator)
            async with Database.connect(urls.administrator) as administrator:
                master_keys = await ensure_master_keys(settings, administrator)
                demo = await ensure_demo(directory, administrator, master_keys)
            if settings.erasure_list is not None:  # else the API warns
                await prove_erasures(settings.erasure_list, urls.application, master_keys)
            if not stop.is_set():
                await serve(
                    settings,
                    directory,
                    urls=urls,
                    nats=nats,
                    master_keys=master_keys,
                    demo=demo,
                    stop=stop,
                    on_ready=on_ready,
                )


async def serve(
    settings: Settings,
    directory: DataDirectory,
    *,
    urls: DatabaseUrls,
    nats: Broker,
    master_keys: MasterKeys,
    demo: Demo,
    stop: asyncio.Event,
    on_ready: Callable[[Announcement], None],
) -> None:
    """Run the API until `stop` is set, announced in the directory from when it is ready until it ends."""

    def ready(url: str) -> None:
        running = Announcement(
            url=url,
            api_key=demo.api_key,
            merchant_id=demo.merchant_id,
            database_url=urls.application,
            admin_database_url=urls.administrator,
            nats_url=nats.url,
            pid=os.getpid(),
        )
        directory.announce(running)
        on_ready(running)

    works = [
        run_relay(urls.application, nats, master_keys, settings=settings.stream),
        run_projections(urls.application, nats, master_keys),
        run_checkpoints(urls.application, nats, master_keys, seconds=settings.checkpoint_seconds),
    ]
    if settings.nats_url is None:
        works.append(keep_billing_streams(nats))
    try:
        async with beside(works, stop):
            await run_api(
                settings,
                database_url=urls.application,
                master_keys=master_keys,
                host=settings.host,
                port=settings.port,
                on_ready=ready,
                stop=stop,
            )
    finally:
        directory.withdraw()


def require_free_port(host: str, port: int) -> None:
    """Raise StartupError unless the address can be listened on; asked before anything is started."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise StartupError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose others with --host, --port"
        ) from None


@asynccontextmanager
async def database(settings: Settings, directory: DataDirectory, say: Say) -> AsyncIterator[DatabaseUrls]:
    """The database that the settings name, or else one on a server of our own."""
    named = named_database(settings)
    if named is not None:
        yield named
        return
    server = EmbeddedPostgres(directory.postgres)
    async with kept_running(server, say):
        await asyncio.to_thread(server.provision, DATABASE, APPLICATION_ROLE)
        yield DatabaseUrls(server.url(DATABASE, APPLICATION_ROLE), server.url(DATABASE))


@asynccontextmanager
async def broker(settings: Settings, directory: DataDirectory, say: Say) -> AsyncIterator[Broker]:
    """The NATS that the settings name, or else a server of our own."""
    named = named_broker(settings)
    if named is not None:
        yield named
        return
    server = EmbeddedNats(directory.nats)
    async with kept_running(server, say):
        yield Broker(server.url)


async def ensure_master_keys(settings: Settings, administrator: Database) -> MasterKeys:
    """The master keys, made on the first run, and proved to fit the data.

    Raises:
        StartupError: they do not fit; a key that was made for data that has another is not kept.
    """
    made = not has_master_keys(settings)
    path = settings.master_key_path
    master_keys = make_master_keys(path) if made else load_master_keys(settings)
    try:
        await check_master_keys(administrator, master_keys)
    except MasterKeyMismatch as error:
        if made:
            path.unlink(missing_ok=True)
            raise StartupError(
                f"the data has a master key, but {path} does not exist: put it there"
            ) from None
        raise StartupError(f"wrong master key: {error}") from None
    return master_keys
