"""GET /v1/customers: the `Link` header leads to the next older and the previous newer page."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.support.api import Answer, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


def links(answer: Answer) -> dict[str, str]:
    """The URLs of a page's links, by relation."""
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers.get("Link", ""))
    return {relation: url for url, relation in found}


def ids(answer: Answer) -> list[str]:
    return [customer["id"] for customer in answer.json()["data"]]


async def five(api: RunningApi) -> list[str]:
    """Five customers' ids, newest first; all but the middle one are gold."""
    made = [
        await api.client.created(email=f"{n}@example.com", metadata={"tier": "tin" if n == 2 else "gold"})
        for n in range(5)
    ]
    await api.sweep()
    return [customer["id"] for customer in made[::-1]]


async def walk(api: RunningApi, answer: Answer, relation: str) -> list[list[str]]:
    """The pages that come, one after the other, by following a relation to its end."""
    pages = []
    while relation in links(answer):
        answer = await api.client.request("GET", links(answer)[relation])
        assert answer.status == 200
        pages.append(ids(answer))
    return pages


async def test_links_lead_through_all_pages_and_back(api: RunningApi) -> None:
    newest_first = await five(api)
    first = await api.client.page(limit=2)
    assert set(links(first)) == {"next"}
    assert await walk(api, first, "next") == [newest_first[2:4], newest_first[4:]]
    last = await api.client.page(limit=2, startingAfter=newest_first[3])
    assert set(links(last)) == {"prev"}
    assert await walk(api, last, "prev") == [newest_first[2:4], newest_first[:2]]


async def test_a_page_in_the_middle_has_both_however_it_was_reached(api: RunningApi) -> None:
    newest_first = await five(api)
    for cursor in ({"startingAfter": newest_first[0]}, {"endingBefore": newest_first[3]}):
        answer = await api.client.page(limit=2, **cursor)
        assert ids(answer) == newest_first[1:3]
        assert set(links(answer)) == {"next", "prev"}


async def test_links_are_relative_and_keep_all_that_was_asked(api: RunningApi) -> None:
    members = {"name": "Jo Do", "companyName": "O X", "metadata": {"tier": "gold"}}
    older, newer = [await api.client.created(email=f"{n}@example.com", **members) for n in range(2)]
    asked = {
        "metadata[tier]": "gold",
        "q": "jo d&o=<x>",
        "created[gt]": "1",
        "expand": "stats",
        "count": "true",
        "limit": "1",
    }
    await api.sweep()
    answer = await api.client.request("GET", f"/v1/customers?{urlencode(asked)}")
    assert ids(answer) == [newer["id"]]
    url = urlsplit(links(answer)["next"])
    assert (url.scheme, url.netloc, url.path) == ("", "", "/v1/customers")
    assert dict(parse_qsl(url.query)) == asked | {"startingAfter": newer["id"]}
    answer = await api.client.request("GET", links(answer)["next"])
    assert ids(answer) == [older["id"]]
    assert dict(parse_qsl(urlsplit(links(answer)["prev"]).query)) == asked | {"endingBefore": older["id"]}


async def test_links_lead_to_what_matches_only(api: RunningApi) -> None:
    newest_first = await five(api)
    gold = {"metadata_tier": "gold", "limit": 2}
    answer = await api.client.page(**gold)
    assert await walk(api, answer, "next") == [newest_first[3:]]
    tin = await api.client.page(metadata_tier="tin", startingAfter=newest_first[0])
    assert (ids(tin), links(tin)) == (newest_first[2:3], {})
    tin = await api.client.page(metadata_tier="tin", endingBefore=newest_first[4])
    assert (ids(tin), links(tin)) == (newest_first[2:3], {})


async def test_behind_a_deleted_cursor_a_link_leads_to_what_is_still_there(api: RunningApi) -> None:
    newest_first = await five(api)
    await api.client.delete(newest_first[1])
    await api.sweep()
    answer = await api.client.page(limit=1, startingAfter=newest_first[1])
    assert await walk(api, answer, "prev") == [newest_first[:1]]
    await api.client.delete(newest_first[0])
    await api.sweep()
    answer = await api.client.page(limit=1, startingAfter=newest_first[1])
    assert set(links(answer)) == {"next"}
    answer = await api.client.page(limit=1, startingAfter=newest_first[1], deleted="true")
    assert set(links(answer)) == {"next", "prev"}


async def test_there_are_no_links_where_there_is_nothing_to_go_to(api: RunningApi) -> None:
    newest_first = await five(api)
    for parameters in (
        {},
        {"limit": 5},
        {"email": "3@example.com", "limit": 1},
        {"q": "nobody"},
        {"startingAfter": newest_first[-1]},
        {"endingBefore": newest_first[0]},
    ):
        assert "Link" not in (await api.client.page(**parameters)).headers, parameters
