"""Answers: the contract's JSON, with its headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from aiohttp import web

from projections.customer_list import Total
from projections.stats import Stats, stats_members

CONTENT_TYPE = "application/json"


def customer_response(
    body: bytes, tag: str, *, status: int = 200, location: str | None = None, replayed: bool = False
) -> web.Response:
    """A customer or tombstone with its entity tag."""
    headers = {"Content-Type": CONTENT_TYPE, "ETag": tag}
    if location is not None:
        headers["Location"] = location
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return web.Response(body=body, status=status, headers=headers)


def certificate_response(certificate: Mapping[str, Any], *, replayed: bool) -> web.Response:
    """A signed statement."""
    headers = {"Content-Type": CONTENT_TYPE}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return web.Response(body=orjson.dumps(certificate), headers=headers)


def list_response(
    url: str, bodies: Iterable[bytes], *, has_more: bool, total: Total | None = None, link: str | None = None
) -> web.Response:
    """A list of objects that are JSON already, with the total and the `Link` header that belong to it."""
    more = b"true" if has_more else b"false"
    counted = b""
    if total is not None:
        counted = b',"totalCount":%d' % total.number + (b',"totalCountCapped":true' if total.capped else b"")
    data = b",".join(bodies)
    body = b'{"object":"list","url":"%b","hasMore":%b,"data":[%b]%b}' % (url.encode(), more, data, counted)
    headers = {"Content-Type": CONTENT_TYPE} | ({"Link": link} if link else {})
    return web.Response(body=body, headers=headers)


def events_response(
    url: str, bodies: Iterable[bytes], *, has_more: bool, next_after: int, headers: Mapping[str, str]
) -> web.Response:
    """A list of events, with the position to go on from."""
    more = b"true" if has_more else b"false"
    data = b",".join(bodies)
    body = b'{"object":"list","url":"%b","hasMore":%b,"data":[%b],"nextAfter":%d}' % (
        url.encode(),
        more,
        data,
        next_after,
    )
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE, **headers})


def json_response(body: bytes) -> web.Response:
    """What is JSON already."""
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


def not_modified(tag: str) -> web.Response:
    """304 with the tag that matched."""
    return web.Response(status=304, headers={"ETag": tag})


def with_stats(body: bytes, stats: Stats) -> bytes:
    """A customer's JSON with its stats behind the other members."""
    return b"%b,%b}" % (body[:-1], stats_members(stats))


def with_deletion(body: bytes, second: int) -> bytes:
    """A tombstone's JSON with the second of the deletion behind the other members."""
    return b'%b,"deletedAt":%d}' % (body[:-1], second)
