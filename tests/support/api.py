"""A running API in the test's own loop, and a client of it that shows answers as they are.

In: a fresh database. Out: `RunningApi`, on a free port with no sweep of its own (`sweep()` is called where a
test wants the read models filled), and `Client`, one key at one server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from events.database import Database
from events.master_keys import MasterKeys
from events.statements import Statement
from service.api_keys import ApiKey, create_key
from service.app import run_api
from service.merchants import create_merchant
from service.settings import Settings
from tests.support.databases import TestDatabase
from tests.support.described import check_answer
from tests.support.sweeping import sweep

JOHN = {"email": "john@example.com", "name": "John Doe"}
LOOPBACK = "127.0.0.1"
READ_WRITE = frozenset({"read", "write"})
WRITTEN = ("customer_events", "customer_keys", "email_claims", "idempotency_keys", "outbox")
LARGE = 1024 * 1024  # bytes
PATIENCE = aiohttp.ClientTimeout(total=30)

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    def json(self) -> Any:
        """The body's JSON; members keep their order."""
        return orjson.loads(self.body)

    @property
    def version(self) -> int:
        """The version in the strong ETag."""
        return int(self.headers["ETag"].strip('"'))

    def refusal(self) -> tuple[int, str]:
        """Status and code of an error."""
        return self.status, self.json()["code"]


@dataclass(frozen=True)
class Client:
    """Requests to one server under one key. Paths go out as they are; answers must be as described."""

    session: aiohttp.ClientSession
    url: str
    key: str

    def at(self, url: str) -> Client:
        """The same key at another server."""
        return Client(self.session, url, self.key)

    def having(self, key: str) -> Client:
        """Another key at the same server."""
        return Client(self.session, self.url, key)

    async def request(
        self, method: str, path: str, body: Any = None, headers: Headers = (), *, content: Any = None
    ) -> Answer:
        """`body` goes as JSON, `content` as it is (bytes, or an async iterator of them, chunked)."""
        sent = CIMultiDict({"X-API-Key": self.key}) if self.key else CIMultiDict()
        if body is not None:
            content = orjson.dumps(body)
        if content is not None:
            sent["Content-Type"] = "application/json"
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            if name == "Content-Type":
                sent.popall(name, None)
            sent.add(name, value)
        if isinstance(content, bytes) and len(content) > LARGE:
            content = BytesIO(content)  # as aiohttp wants it
        url = URL(self.url + path, encoded=True)
        async with self.session.request(
            method, url, data=content, headers=sent, skip_auto_headers=("Content-Type",)
        ) as response:
            answer = Answer(response.status, CIMultiDict(response.headers), await response.read())
        check_answer(method, path, answer.status, answer.headers, answer.body)
        return answer

    async def create(self, headers: Headers = (), /, **members: Any) -> Answer:
        """POST; email and name are John's unless given."""
        return await self.request("POST", "/v1/customers", JOHN | members, headers)

    async def created(self, **members: Any) -> Any:
        """A new customer, as JSON."""
        answer = await self.create(**members)
        assert answer.status == 201, answer.body
        return answer.json()

    async def get(self, customer_id: str, headers: Headers = ()) -> Answer:
        """GET one."""
        return await self.request("GET", f"/v1/customers/{customer_id}", headers=headers)

    async def patch(self, customer_id: str, headers: Headers = (), /, **members: Any) -> Answer:
        """PATCH these members."""
        return await self.request("PATCH", f"/v1/customers/{customer_id}", members, headers)

    async def delete(self, customer_id: str, headers: Headers = ()) -> Answer:
        """DELETE one."""
        return await self.request("DELETE", f"/v1/customers/{customer_id}", headers=headers)

    async def page(self, **parameters: Any) -> Answer:
        """GET a page of the list; a parameter `created_gt` is `created[gt]`."""
        query = {
            name.replace("_", "[") + "]" if "_" in name else name: value for name, value in parameters.items()
        }
        return await self.request("GET", f"/v1/customers?{urlencode(query)}")

    async def ids(self, **parameters: Any) -> list[str]:
        """The ids on a page of the list."""
        answer = await self.page(**parameters)
        assert answer.status == 200, answer.body
        return [customer["id"] for customer in answer.json()["data"]]


@dataclass(frozen=True)
class Operator:
    """What an operator does to a database: merchants, keys, and a look into the tables."""

    admin: Database
    master_keys: MasterKeys

    async def merchant(self, *, live: bool = False) -> str:
        """A new merchant's id."""
        made = await create_merchant(self.admin, merchant_id=None, live=live, currency="USDC")
        assert made is not None
        return made.id

    async def key(
        self,
        merchant_id: str,
        scopes: frozenset[str] = READ_WRITE,
        allowed_cidrs: Sequence[str] = (),
        rate_limit: int = 0,
    ) -> tuple[ApiKey, str]:
        """A new key and its text; without a limit, since tests are in a hurry."""
        made = await create_key(
            self.admin,
            self.master_keys,
            merchant_id=merchant_id,
            name="test",
            scopes=scopes,
            allowed_cidrs=list(allowed_cidrs),
            rate_limit=rate_limit,
        )
        assert made is not None
        return made

    async def select(self, text: str, *arguments: Any) -> list[Any]:
        """The rows of a statement, as the administrator."""
        return await self.admin.fetch(Statement("select", text), *arguments)

    async def stored(self, merchant_id: str) -> dict[str, int]:
        """How many rows a merchant has in each of the tables that a request may write to."""
        counts = ", ".join(
            f"(SELECT count(*) FROM events.{table} WHERE merchant_id = $1) AS {table}" for table in WRITTEN
        )
        return dict((await self.select(f"SELECT {counts}", merchant_id))[0])

    async def metadata(self, customer_id: str) -> list[Any]:
        """What is recorded of the requests that made this customer's events."""
        query = "SELECT metadata FROM events.customer_events WHERE originator_id = $1 ORDER BY position"
        rows = await self.select(query, customer_id)
        return [orjson.loads(row["metadata"]) for row in rows]


@dataclass(frozen=True)
class RunningApi:
    """A server with the means to look behind it, as one merchant sees it."""

    url: str
    database: Database
    operator: Operator
    merchant_id: str
    client: Client = field(repr=False)

    async def sweep(self) -> None:
        """Fill the read models from everything that is stored."""
        while await sweep(self.database, self.operator.master_keys):
            pass

    async def stored(self) -> dict[str, int]:
        """How many rows the merchant has, by table."""
        return await self.operator.stored(self.merchant_id)

    async def of_new_merchant(self, *, live: bool = False) -> RunningApi:
        """The same server as a new merchant sees it."""
        merchant_id = await self.operator.merchant(live=live)
        _, text = await self.operator.key(merchant_id)
        return replace(self, merchant_id=merchant_id, client=self.client.having(text))

    async def client_with(self, scopes: frozenset[str], allowed_cidrs: Sequence[str] = ()) -> Client:
        """A client of the same merchant whose key may do only this."""
        _, text = await self.operator.key(self.merchant_id, scopes, allowed_cidrs)
        return self.client.having(text)


@asynccontextmanager
async def serving(settings: Settings, database_url: str, master_keys: MasterKeys) -> AsyncIterator[str]:
    """The URL at which `run_api` listens, for a block; a failure of it fails the block."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    api = asyncio.create_task(
        run_api(
            settings,
            database_url=database_url,
            master_keys=master_keys,
            host=LOOPBACK,
            port=0,
            on_ready=ready.set_result,
            stop=stop,
        )
    )
    await asyncio.wait({api, ready}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield ready.result() if ready.done() else await api_failed(api)
    finally:
        stop.set()
        await api


async def api_failed(api: asyncio.Task[None]) -> str:
    """Raise what ended the API before it was ready."""
    await api
    raise AssertionError("the API ended without being told to")


@asynccontextmanager
async def operating(database: TestDatabase, master_keys: MasterKeys | None = None) -> AsyncIterator[Operator]:
    """An operator of this database, under new master keys unless given."""
    async with Database.connect(database.admin_url) as admin:
        yield Operator(admin, master_keys or MasterKeys.from_text(MasterKeys.generate_text()))


@asynccontextmanager
async def client_session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session with room for every request that a test wants to have in flight."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, timeout=PATIENCE, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield session


@asynccontextmanager
async def running_api(database: TestDatabase, settings: Settings | None = None) -> AsyncIterator[RunningApi]:
    """An API on this database, seen by a new merchant whose client reads and writes."""
    async with (
        operating(database) as operator,
        Database.connect(database.url) as application,
        serving(settings or Settings(), database.url, operator.master_keys) as url,
        client_session() as session,
    ):
        nobody = RunningApi(url, application, operator, "", Client(session, url, ""))
        yield await nobody.of_new_merchant()
