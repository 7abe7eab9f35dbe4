"""One request under way: who asks, and the parts of what is asked, read when they are needed.

In: aiohttp's request and its caller. Out: bodies through the strict gate, the idempotency key with its
fingerprint, and the metadata that is recorded with an event.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, NamedTuple

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from events.wire.patterns import TRACEPARENT
from service.auth import Caller
from service.body import KIB, Body
from service.clock import new_command_id
from service.errors import BodyTooLarge, InvalidRequest, RequestTimeout, UnsupportedMediaType
from service.http.json_gate import parse_object
from service.http.rate_limit import Bucket
from service.idempotency import key_text
from service.services import Services

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(TRACEPARENT)


_NO_BODY = Body(None, (), limit=64 * KIB)


class Retry(NamedTuple):
    """The digest of an idempotency key, and what the request it stands for amounts to."""

    key: bytes
    fingerprint: bytes


class Call:
    """A request, its caller and the services that answer it."""

    __slots__ = ("_body", "_bucket", "caller", "request", "request_id", "services")

    def __init__(
        self,
        request: web.Request,
        request_id: str,
        services: Services,
        caller: Caller,
        body: Body | None = None,
        bucket: Bucket | None = None,
    ) -> None:
        self.request = request
        self.request_id = request_id
        self.services = services
        self.caller = caller
        self._body = body or _NO_BODY
        self._bucket = bucket

    @property
    def merchant_id(self) -> str:
        """The merchant whose data this request may touch: the key's, whatever the request says."""
        return self.caller.merchant_id

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's decoded names and values."""
        return list(self.request.query.items()) if self.request.query_string else []

    def spend(self, more: int) -> None:
        """Count the request as so many more than the one that it was counted as. Raises RateLimited."""
        if self._bucket is not None:
            self._bucket.spend(more, when_repeated=1)

    async def json(self) -> dict[str, Any]:
        """The body as an object. Raises what `body` does, InvalidJson, InvalidRequest."""
        headers, types = self.request.headers, self._body.media_types
        accept_patch = ", ".join(types) if self.request.method == "PATCH" else None
        if "Content-Encoding" in headers:
            raise UnsupportedMediaType("Send the body without Content-Encoding", accept_patch=accept_patch)
        given = headers.get("Content-Type", "")
        if given not in types:
            wanted = " or ".join(types)
            if self.request.content_type not in types:
                raise UnsupportedMediaType(f"Send the body as {wanted}", accept_patch=accept_patch)
            if (self.request.charset or "utf-8").lower() != "utf-8":
                raise UnsupportedMediaType("Send the body in UTF-8", accept_patch=accept_patch)
        return parse_object(await self.body())

    async def body(self) -> bytes:
        """The body's bytes.

        Raises UnsupportedMediaType, BodyTooLarge, RequestTimeout, InvalidRequest (not whole).
        """
        headers = self.request.headers
        if "Content-Encoding" in headers or headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
            raise UnsupportedMediaType("Send the body without a content coding (no gzip)")
        limit = self._body.limit
        if (self.request.content_length or 0) > limit:
            raise BodyTooLarge(limit)
        try:
            if self.request.content.is_eof():  # as nearly always: it came along with the head
                return await self._read(limit)
            async with asyncio.timeout(self.services.body_seconds):
                return await self._read(limit)
        except TimeoutError:
            raise RequestTimeout("body", self.services.body_seconds) from None
        except (web.RequestPayloadError, HttpProcessingError, ConnectionResetError) as error:
            raise InvalidRequest(
                "The body did not arrive whole; send as much as its length or its chunks say"
            ) from error

    async def _read(self, limit: int) -> bytes:
        body = bytearray()  # many small pieces must not be copied again and again
        while chunk := await self.request.content.readany():
            body += chunk
            if len(body) > limit:
                raise BodyTooLarge(limit)
        return bytes(body)

    def may_exceed(self, size: int) -> bool:
        """Whether the body may have more bytes than this: its length says no."""
        length = self.request.content_length
        return length is None or length > size

    def one_header(self, name: str) -> str | None:
        """A header that may stand once at most. Raises InvalidRequest."""
        values = self.request.headers.getall(name, ())
        if len(values) > 1:
            raise InvalidRequest(f"{name} is given more than once", param=name)
        return values[0] if values else None

    def list_header(self, name: str) -> str | None:
        """A header that is a list, its lines joined (RFC 9110 §5.3)."""
        values = self.request.headers.getall(name, ())
        return ", ".join(values) if values else None

    def retry(self, body: object) -> Retry | None:
        """The idempotency key, if the request has one. Raises InvalidRequest."""
        key = self.idempotency_key()
        return None if key is None else self.retry_under(key, body)

    def idempotency_key(self) -> str | None:
        """The key that the request's header gives, if any. Raises InvalidRequest."""
        header = self.one_header("Idempotency-Key")
        return None if header is None else key_text(header)

    def retry_under(self, key: str, body: object) -> Retry:
        """This key, for the request with this body."""
        request, digests = self.request, self.services.digests
        fingerprint = digests.of_request(request.method, request.path, self.query, body)
        return Retry(digests.of_key(key), fingerprint)

    def metadata(self, retry: Retry | None) -> bytes:
        """What is recorded of this request with an event: nothing personal."""
        recorded = {"actor": self.caller.key_id, "requestId": self.request_id, "commandId": new_command_id()}
        headers = self.request.headers
        correlation_id = headers.get("X-Correlation-Id", "")
        if _CORRELATION_ID.fullmatch(correlation_id):
            recorded["correlationId"] = correlation_id
        traceparent = headers.get("traceparent", "")
        if _TRACEPARENT.fullmatch(traceparent):
            recorded["traceparent"] = traceparent
        if retry is not None:
            recorded["idempotencyKeyHash"] = retry.key.hex()[:16]
        return orjson.dumps(recorded)
