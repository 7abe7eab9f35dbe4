"""GET /openapi.json and GET /docs: for anybody, from this server alone."""

from __future__ import annotations

import re

import openapi_spec_validator
import pytest

from service.routes import OPERATIONS
from tests.support.api import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = (
    "/openapi.json",
    "/asyncapi.json",
    "/docs",
    "/docs/swagger-ui-bundle.js",
    "/docs/swagger-ui.css",
    "/docs/start.js",
)


async def test_the_description_names_every_operation(client: Client) -> None:
    described = (await client.having("").request("GET", "/openapi.json")).json()
    openapi_spec_validator.validate(described)
    for operation in OPERATIONS:
        assert operation.method.lower() in described["paths"][operation.path]


@pytest.mark.parametrize("path", OPEN)
async def test_what_is_unchanged_is_not_sent_again(client: Client, path: str) -> None:
    anybody = client.having("")
    first = await anybody.request("GET", path)
    assert first.status == 200
    assert first.headers["Cache-Control"] == "public, no-cache"
    again = await anybody.request("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    head = await anybody.request("HEAD", path)
    assert (head.status, head.headers["ETag"], head.body) == (200, first.headers["ETag"], b"")
    other = await anybody.request("GET", path, headers={"If-None-Match": '"other"'})
    assert other.body == first.body


async def test_everything_that_the_page_links_is_answered_by_this_server(client: Client) -> None:
    anybody = client.having("")
    page = await anybody.request("GET", "/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    links = re.findall(r'(?:src|href)="([^"]*)"', page.body.decode())
    start = await anybody.request("GET", "/docs/start.js")
    links += re.findall(r'url: "([^"]*)"', start.body.decode())
    assert "/openapi.json" in links
    for link in links:
        if link == "data:,":  # an icon that need not be asked for
            continue
        assert link.startswith("/")
        assert (await anybody.request("GET", link)).status == 200


async def test_the_page_may_load_nothing_from_elsewhere(client: Client) -> None:
    page = await client.having("").request("GET", "/docs")
    policy = dict(
        directive.strip().split(" ", 1) for directive in page.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    sources = {source for allowed in policy.values() for source in allowed.split()}
    assert sources == {"'none'", "'self'", "data:"}
    assert not re.search(rb"<script>|<style| style=| on[a-z]+=", page.body)


async def test_a_condition_that_cannot_be_read_is_refused(client: Client) -> None:
    answer = await client.request("GET", "/openapi.json", headers={"If-None-Match": "3"})
    assert answer.refusal() == (400, "invalid_request")
