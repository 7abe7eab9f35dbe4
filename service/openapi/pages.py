"""GET /openapi.json, /asyncapi.json and /docs: the documents, and a page to browse the first.

In: the tables. Out: `Page`s by path, made once at start, and the handler that answers them. The page is
Swagger UI: its files come with the package flask-swagger-ui, of which nothing is imported, and what starts it
is ours. It loads nothing from elsewhere, and its Content-Security-Policy makes browsers hold it to that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from service.asyncapi import document as asyncapi
from service.body import JSON
from service.openapi.document import document
from service.operation import OpenRoute, Operation
from service.preconditions import matches_if_none_match

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HTML, SCRIPT, STYLE = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
SWAGGER_UI = {"swagger-ui-bundle.js": SCRIPT, "swagger-ui.css": STYLE}
OURS = {"start.js": SCRIPT, "page.css": STYLE}


class Page(NamedTuple):
    """Bytes that stay the same for as long as the process lives, and their headers."""

    body: bytes
    headers: dict[str, str]


PAGES = web.AppKey("PAGES", Mapping[str, Page])


def make_pages(operations: Sequence[Operation[Any]], open_routes: Sequence[OpenRoute]) -> dict[str, Page]:
    """Every page by its path."""
    ours = files("service.openapi") / "page"
    swagger_ui = Path(str(distribution("flask-swagger-ui").locate_file("flask_swagger_ui/dist")))
    pages = {
        "/openapi.json": _page(orjson.dumps(document(operations, open_routes)), JSON),
        "/asyncapi.json": _page(orjson.dumps(asyncapi.document()), JSON),
        "/docs": _page((ours / "index.html").read_bytes(), HTML),
    }
    for name, media_type in OURS.items():
        pages[f"/docs/{name}"] = _page((ours / name).read_bytes(), media_type)
    for name, media_type in SWAGGER_UI.items():
        pages[f"/docs/{name}"] = _page((swagger_ui / name).read_bytes(), media_type)
    return pages


def _page(body: bytes, media_type: str) -> Page:
    headers = {
        "Content-Type": media_type,
        "ETag": f'"{sha256(body).hexdigest()[:32]}"',
        "Cache-Control": "public, no-cache",  # to be kept, and to be asked about before it is used
        "X-Content-Type-Options": "nosniff",
    }
    if media_type == HTML:
        headers |= {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
    return Page(body, headers)


async def send_page(request: web.Request) -> web.Response:
    """The page at the request's path; 304 to who has it already."""
    page = request.app[PAGES][request.path]
    given = request.headers.getall("If-None-Match", ())
    if given and matches_if_none_match(", ".join(given), page.headers["ETag"]):
        headers = {name: page.headers[name] for name in ("ETag", "Cache-Control")}
        return web.Response(status=304, headers=headers)
    return web.Response(body=page.body, headers=page.headers)
