"""Connections to PostgreSQL, owned here and nowhere else.

In: a URL. Out: rows. asyncpg's exceptions get our names at this border; its missing defaults (time limits,
liveness) are set here. A `Connection` is one kept connection that mends itself; a `Database` is a pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import asyncpg

from events.errors import DataRefused, SchemaMissing, StatementFailed, StoreBusy, StoreUnavailable
from events.statements import Statement

POOLED = {
    "application_name": "customers",
    "lock_timeout": "1s",
    # Who stalls within a transaction must not keep what it has locked from everybody else.
    "idle_in_transaction_session_timeout": "5s",
}
CONNECT_SECONDS = 3.0
COMMAND_SECONDS = 5.0
ACQUIRE_SECONDS = 0.8
"""A pool that is exhausted for longer is an answer of 503 (within a second)."""
MALFORMED_URL = "the database URL is malformed: postgresql://user:password@host:port/database is wanted"

Row = asyncpg.Record

_Pooled: TypeAlias = "asyncpg.pool.PoolConnectionProxy[Row]"

# Point look-ups by key must stay index scans, also right after a table was empty when first planned.
KEYED_LOOKUPS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}

_GONE = (
    asyncpg.PostgresConnectionError,  # 08: the connection broke
    asyncpg.InterfaceError,  # … and was closed meanwhile
    asyncpg.OperatorInterventionError,  # 57P: shutting down, starting up, ended by an operator
    asyncpg.ReadOnlySQLTransactionError,  # 25006: the primary became a standby
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # 55000: the database takes no connections now
    asyncpg.InsufficientResourcesError,  # 53: disk or memory full
    asyncpg.PostgresIOError,  # 58: the system under the server
    asyncpg.InternalClientError,
    OSError,
    EOFError,
    TimeoutError,
)

_NO_SCHEMA = (
    asyncpg.InvalidSchemaNameError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)

_NO_RIGHTS = (asyncpg.InsufficientPrivilegeError, asyncpg.InternalServerError)


@asynccontextmanager
async def translated(what: str) -> AsyncIterator[None]:
    """Give asyncpg's failures our names: StoreUnavailable, StoreBusy, StatementFailed."""
    try:
        yield
    except (asyncpg.LockNotAvailableError, asyncpg.TransactionRollbackError) as error:  # 40: deadlocks too
        raise StoreBusy(f"{what}: locked by others for too long") from error
    except _GONE as error:
        raise StoreUnavailable(f"{what}: {describe(error)}") from error
    except _NO_SCHEMA as error:
        raise SchemaMissing(
            "the database lacks our schema, or has an older one: run `customers migrate`"
        ) from error
    except _NO_RIGHTS as error:
        raise SchemaMissing(f"{what}: {describe(error)}") from error
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        raise DataRefused(f"{what}: {type(error).__name__}") from error  # its text quotes the value at fault
    except asyncpg.PostgresError as error:
        raise StatementFailed(f"{what}: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """One line about a failure, without the URL it came from."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (str(error).splitlines() or [type(error).__name__])[0]


def whereabouts(url: str) -> str:
    """Host and port (or socket directory) of a database URL, without user and password."""
    parts = urlsplit(url)
    hosts = parse_qs(parts.query).get("host")
    return parts.netloc.rpartition("@")[2] or (hosts[0] if hosts else "its default address")


async def connect(
    url: str, settings: dict[str, str] | None = None, *, command_seconds: float = COMMAND_SECONDS
) -> asyncpg.Connection[Row]:
    """One bare connection. Raises StoreUnavailable when there is none to be had, or the URL is malformed."""
    try:
        async with translated(f"PostgreSQL at {whereabouts(url)} cannot be reached"):
            return await asyncpg.connect(
                url,
                timeout=CONNECT_SECONDS,
                command_timeout=command_seconds,
                server_settings={"application_name": "customers", **(settings or {})},
            )
    except ValueError as error:
        raise StoreUnavailable(MALFORMED_URL) from error
    except asyncpg.ClientConfigurationError as error:
        raise StoreUnavailable(MALFORMED_URL) from error
    except (StoreBusy, StatementFailed) as error:  # whatever refuses a connection, nothing was asked yet
        raise StoreUnavailable(str(error)) from error


def _is_read_only(raw: asyncpg.Connection[Row]) -> bool:
    """Whether the server has told that it takes no writes; it tells by itself whenever that changes."""
    told = raw.get_settings()
    return "on" in (getattr(told, "default_transaction_read_only", ""), getattr(told, "in_hot_standby", ""))


class Connection:
    """A kept connection for one user at a time, opened when needed and again after it broke.

    One that does not reopen is a session: what it holds (a lock) is held for as long as it works at all.
    """

    def __init__(
        self,
        url: str,
        settings: dict[str, str] | None = None,
        *,
        reopens: bool = True,
        command_seconds: float = COMMAND_SECONDS,
    ) -> None:
        self._url = url
        self._command_seconds = command_seconds
        self._reopens = reopens
        self._opened = False
        self._settings = settings
        self._raw: asyncpg.Connection[Row] | None = None

    async def fetch(self, statement: Statement, *arguments: Any) -> list[Row]:
        """The rows of a statement. After any failure of the connection the next call opens a new one."""
        if self._raw is None or self._raw.is_closed():
            if self._opened and not self._reopens:
                raise StoreUnavailable(f"{statement.name}: the session has ended")
            self._raw = await connect(self._url, self._settings, command_seconds=self._command_seconds)
            self._opened = True
        try:
            async with translated(statement.name):
                rows = await self._raw.fetch(statement.text, *arguments)
        except StoreUnavailable:
            self.drop()
            raise
        if _is_read_only(self._raw):  # rows of a server that is no primary any more may be old
            self.drop()
            raise StoreUnavailable(f"{statement.name}: the server is read-only")
        return rows

    def drop(self) -> None:
        """Forget the connection without waiting for the other side."""
        if self._raw is not None:
            self._raw.terminate()
            self._raw = None

    async def close(self) -> None:
        """Say good-bye."""
        if self._raw is not None:
            with suppress(*_GONE):
                await self._raw.close(timeout=CONNECT_SECONDS)
            self._raw = None


class Database:
    """A small pool for everything that is not on the hot path."""

    class Transaction:
        """Statements that are committed together, or not at all."""

        def __init__(self, raw: _Pooled) -> None:
            self._raw = raw

        async def fetch(self, statement: Statement, *arguments: Any) -> list[Row]:
            """The rows of a statement."""
            return await self._raw.fetch(statement.text, *arguments)

    def __init__(self, pool: asyncpg.Pool[Row]) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, url: str, *, size: int = 4, settings: dict[str, str] | None = None
    ) -> AsyncIterator[Database]:
        """A pool of up to `size` connections. Raises StoreUnavailable, also for a malformed URL."""
        first = await connect(url)  # its errors are clearer than a pool's
        await first.close()
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=size,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            server_settings=POOLED | (settings or {}),
        )
        async with pool:
            yield cls(pool)

    async def fetch(self, statement: Statement, *arguments: Any) -> list[Row]:
        """The rows of a statement, run by itself."""
        async with self._acquired(statement.name) as raw:
            return await raw.fetch(statement.text, *arguments)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Database.Transaction]:
        """A transaction that commits unless the block raises."""
        async with self._acquired("transaction") as raw, raw.transaction():
            yield Database.Transaction(raw)

    @asynccontextmanager
    async def _acquired(self, what: str) -> AsyncIterator[_Pooled]:
        async with translated(what):
            try:
                async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as raw:
                    yield raw
            except asyncpg.ReadOnlySQLTransactionError:
                # A demoted primary keeps its connections: let go of them all (the pool would not).
                await self._pool.expire_connections()
                raise


async def wait_until_reachable(url: str, seconds: float) -> None:
    """Return once PostgreSQL answers. Raises StoreUnavailable after `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            await (await connect(url)).close()
        except StoreUnavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return
