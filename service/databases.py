"""Where the database is that a command is to work on.

It is the one that the environment names, else that of the `customers up` that runs on the data directory.
"""

from __future__ import annotations

from typing import NamedTuple

from events.stream.broker import Broker
from service.brokers import named_broker
from service.embedded.data_directory import DataDirectory
from service.errors import StartupError
from service.settings import Settings


class DatabaseUrls(NamedTuple):
    """One database, as its two roles reach it: the service's own, and the one that owns the schema."""

    application: str
    administrator: str


def named_database(settings: Settings) -> DatabaseUrls | None:
    """The database that the settings name; the application's URL alone serves for both roles."""
    if settings.admin_url is None:
        return None
    return DatabaseUrls(settings.database_url or settings.admin_url, settings.admin_url)


def refuse_to_serve_as_administrator(settings: Settings) -> None:
    """Raise StartupError when only the administrator's URL is set: what serves requests has its own role."""
    if settings.admin_database_url is not None and settings.database_url is None:
        raise StartupError(
            "CUSTOMERS_ADMIN_DATABASE_URL is set and CUSTOMERS_DATABASE_URL is not: "
            "set it to the application's role, which serves requests"
        )


def find_nats(settings: Settings) -> Broker | None:
    """NATS: the one that the settings name, or else that of the `customers up` that runs there.

    Raises StartupError as `named_broker`.
    """
    named = named_broker(settings)
    if named is not None:
        return named
    running = DataDirectory(settings.data_dir).running() if settings.admin_url is None else None
    return Broker(running.nats_url) if running and running.nats_url else None


def find_database(settings: Settings) -> DatabaseUrls:
    """The database to work on. Raises StartupError when none is named and no `customers up` runs."""
    named = named_database(settings)
    if named is not None:
        return named
    running = DataDirectory(settings.data_dir).running()
    if running is None:
        raise StartupError(
            f"no database: no `customers up` is ready on {settings.data_dir.resolve()} (--data-dir names "
            "another), and CUSTOMERS_DATABASE_URL is not set"
        )
    return DatabaseUrls(running.database_url, running.admin_database_url)
