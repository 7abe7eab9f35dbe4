"""Hostile bodies (F32): each is refused in a documented way, stores nothing, and costs bounded memory.

The service runs as a process of its own, so that its memory can be told from the test's.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import orjson
import pytest
import pytest_asyncio

from service.embedded.postgres import EmbeddedPostgres
from tests.support.api import Answer, Client
from tests.support.databases import fresh_database
from tests.support.deployment import Deployment, deployed
from tests.support.serve import Serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
BODY_LIMIT = 64 * 1024
HEAD = b'{"email":"john@example.com","name":"John Doe"'
WHOLE = HEAD + b"}"


def john(more: bytes) -> bytes:
    """A customer who would be taken but for this."""
    return HEAD + b"," + more + b"}"


def metadata(keys: int) -> bytes:
    """A customer with so many metadata keys, as short as they can be."""
    return john(b'"metadata":' + orjson.dumps({f"{number:x}": "" for number in range(keys)}))


NOT_JSON = {
    "empty": b"",
    "blank": b" \n\t ",
    "cut": WHOLE[:-1],
    "cut in a string": HEAD[:-3],
    "cut in an escape": HEAD[:-3] + b"\\u00",
    "cut in a character": HEAD[:-1] + "ö".encode()[:1],
    "followed by more": WHOLE + WHOLE,
    "followed by a NUL": WHOLE + b"\0",
    "a comma too many": HEAD + b",}",
    "single quotes": WHOLE.replace(b'"', b"'"),
    "a comment": b"/* John */" + WHOLE,
    "NaN": john(b'"phone":NaN'),
    "Infinity": john(b'"phone":Infinity'),
    "-Infinity": john(b'"phone":-Infinity'),
    "1e999": john(b'"phone":1e999'),
    "5,000 digits": john(b'"phone":' + b"9" * 5000),
    "5,000 digits after the point": john(b'"phone":0.' + b"9" * 60_000 + b"e99999"),
    "a name twice": john(b'"name":"Jane"'),
    "a name twice, escaped": john(b'"n\\u0061me":"Jane"'),
    "a name twice, deeper": john(b'"metadata":{"a":"1","a":"2"}'),
    "a lone high surrogate": john(rb'"phone":"\ud800"'),
    "a lone low surrogate": john(rb'"phone":"\udfff1"'),
    "surrogates the wrong way round": john(rb'"phone":"\udc00\ud800"'),
    "a surrogate in a name": john(rb'"metadata":{"\ud800":"1"}'),
    "a surrogate in UTF-8": john(b'"phone":"\xed\xa0\x80"'),
    "a NUL": john(b'"phone":"1\0"'),
    "an escaped NUL": john(rb'"phone":"1\u0000"'),
    "an escaped NUL in a name": john(rb'"metadata":{"\u0000":"1"}'),
    "a control character": john(b'"phone":"1\x1f"'),
    "bytes that are no UTF-8": john(b'"phone":"\xff\xfe"'),
    "an overlong slash": john(b'"phone":"\xc0\xaf"'),
    "beyond Unicode": john(b'"phone":"\xf4\x90\x80\x80"'),
    "Latin-1": john(b'"phone":"J\xf6rg"'),
    "a BOM": b"\xef\xbb\xbf" + WHOLE,
    "UTF-16": WHOLE.decode().encode("utf-16"),
    "UTF-16 without a BOM": WHOLE.decode().encode("utf-16-le"),
    "UTF-32": WHOLE.decode().encode("utf-32"),
    "gzip that does not say so": gzip.compress(WHOLE),
    "30,000 deep": john(b'"phone":' + b"[" * 30_000 + b"]" * 30_000),
    "30,000 deep and cut": john(b'"phone":' + b"[" * 60_000),
    "10,000 objects deep": john(b'"phone":' + b'{"":' * 10_000 + b"1" + b"}" * 10_000),
    "nine deep": john(b'"address":' + b'{"a":' * 8 + b"1" + b"}" * 8),
}
NOT_A_CUSTOMER = {
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a string": b'"{}"',
    "a list": b"[" + WHOLE + b"]",
    "a list of nothing": b"[]",
    "4,000 metadata keys": metadata(4000),
    "51 metadata keys": metadata(51),
    "no string": john(b'"phone":1'),
    "a list for an address": john(b'"address":[]'),
    "a string for metadata": john(b'"metadata":"gold"'),
    "another merchant": john(b'"merchantId":"mer_01jd4q8w9zexampxexampxe001"'),
    "an id": john(b'"id":"cus_01jd4q8w9zexampxexampxe000"'),
    "a date": john(b'"created":1'),
    "a prototype": john(b'"__proto__":{"admin":true}'),
    "a name with a NUL's neighbour": john(rb'"\u0001":"1"'),
}
TOO_LARGE = {
    "one byte over the limit": WHOLE + b" " * (BODY_LIMIT + 1 - len(WHOLE)),
    "10 MB": john(b'"description":"' + b"x" * 10 * MIB + b'"'),
    "100,000 deep": john(b'"phone":' + b"[" * 100_000 + b"]" * 100_000),
    "10,000 metadata keys": metadata(10_000),
    "10 MB of blanks": b" " * 10 * MIB + WHOLE,
}
BOMBS = {  # 30 KB each
    "gzip": gzip.compress(b" " * 30 * MIB),
    "deflate": zlib.compress(b" " * 30 * MIB),
}


@dataclass(frozen=True)
class Target:
    """A running service with one customer, whom the bodies must not change."""

    deployment: Deployment
    serve: Serve
    customer_id: str

    @property
    def client(self) -> Client:
        return self.deployment.client(self.serve)

    @property
    def memory(self) -> int:
        """Resident bytes of the service."""
        return self.serve.inside.memory_info().rss

    async def send(
        self, content: bytes | AsyncIterator[bytes], method: str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The body as a create, as a change, or as a BATCH of creates."""
        paths = {"POST": "/v1/customers", "BATCH": "/v1/customers/batch"}
        path = paths.get(method, f"/v1/customers/{self.customer_id}")
        sent = (
            io.BytesIO(content) if isinstance(content, bytes) else content
        )  # so that aiohttp sends it in parts
        method = method.replace("BATCH", "POST")
        return await self.client.request(method, path, headers=headers or {}, content=sent)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(migrated_postgres: EmbeddedPostgres) -> AsyncIterator[Target]:
    async with (
        fresh_database(migrated_postgres) as database,
        deployed(database) as deployment,
        deployment.serve() as serve,
    ):
        customer = await deployment.client(serve).created(email="jane@example.com")
        yield Target(deployment, serve, customer["id"])


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def nothing_is_stored(target: Target) -> AsyncIterator[None]:
    """Whatever a test sends, the rows stay as they are, and so does the service."""
    before, said = await target.deployment.stored(), len(target.serve.said())
    yield
    assert await target.deployment.stored() == before
    assert (await target.client.get(target.customer_id)).version == 1
    assert "unexpected_error" not in target.serve.said()[said:]


async def chunks(content: bytes, size: int = 16_384) -> AsyncIterator[bytes]:
    """The content without its length: aiohttp sends it chunked."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("method", ["POST", "PATCH", "BATCH"])
@pytest.mark.parametrize("body", NOT_JSON)
async def test_what_is_not_plain_json_is_400_invalid_json(target: Target, method: str, body: str) -> None:
    assert (await target.send(NOT_JSON[body], method)).refusal() == (400, "invalid_json")


@pytest.mark.parametrize("method", ["POST", "PATCH", "BATCH"])
@pytest.mark.parametrize("body", NOT_A_CUSTOMER)
async def test_what_is_no_customer_is_400_invalid_request(target: Target, method: str, body: str) -> None:
    assert (await target.send(NOT_A_CUSTOMER[body], method)).refusal() == (400, "invalid_request")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("body", TOO_LARGE)
async def test_what_is_too_large_is_413(target: Target, method: str, body: str) -> None:
    assert (await target.send(TOO_LARGE[body], method)).refusal() == (413, "body_too_large")


@pytest.mark.parametrize("body", TOO_LARGE)
async def test_what_is_too_large_is_413_also_without_a_content_length(target: Target, body: str) -> None:
    assert (await target.send(chunks(TOO_LARGE[body]), "POST")).refusal() == (413, "body_too_large")


async def test_a_delete_with_a_large_body_is_refused(target: Target) -> None:
    for content in (b"x" * MIB, chunks(b"x" * MIB)):
        assert (await target.send(content, "DELETE")).refusal() == (413, "body_too_large")


async def test_a_batch_of_10_mb_is_413(target: Target) -> None:
    for content in (TOO_LARGE["10 MB"], chunks(TOO_LARGE["10 MB"])):
        assert (await target.send(content, "BATCH")).refusal() == (413, "body_too_large")


@pytest.mark.parametrize("method", ["POST", "BATCH"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("whole", [True, False])
async def test_a_bomb_is_refused_by_its_content_encoding_before_it_is_inflated(
    target: Target, encoding: str, whole: bool, method: str
) -> None:
    before = target.memory
    bomb = BOMBS[encoding]
    assert len(bomb) < BODY_LIMIT
    answer = await target.send(
        bomb if whole else chunks(bomb), method, headers={"Content-Encoding": encoding}
    )
    assert answer.refusal() == (415, "unsupported_media_type")
    assert target.memory - before < 16 * MIB


async def test_many_large_bodies_at_once_take_little_memory(target: Target) -> None:
    before = target.memory
    peak = before
    content = TOO_LARGE["10 MB"]

    async def send(*, whole: bool) -> Answer:
        nonlocal peak
        answer = await target.send(content if whole else chunks(content), "POST")
        peak = max(peak, target.memory)
        return answer

    answers = await asyncio.gather(*(send(whole=number % 2 == 0) for number in range(20)))
    assert {answer.refusal() for answer in answers} == {(413, "body_too_large")}
    assert peak - before < 48 * MIB, "200 MB were sent"


async def test_deep_bodies_leave_the_service_quick(target: Target) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    costly = ("30,000 deep", "10,000 objects deep", "5,000 digits after the point")
    await asyncio.gather(*(target.send(NOT_JSON[body], "POST") for body in costly * 10))
    assert (await target.client.get(target.customer_id)).status == 200
    assert loop.time() - start < 5


@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
async def test_a_body_that_breaks_off_is_stored_nowhere(target: Target, framing: bytes) -> None:
    host, _, port = target.serve.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    part = WHOLE if b"Length" in framing else b"%x\r\n%b" % (len(WHOLE) + 10, WHOLE)
    writer.write(
        b"POST /v1/customers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"X-API-Key: " + target.deployment.key.encode() + b"\r\n" + framing + b"\r\n\r\n" + part
    )
    writer.write_eof()
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
