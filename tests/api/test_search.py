"""GET /v1/customers by `companyName`, `metadata[…]` and `q`."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import pytest
import pytest_asyncio

from tests.support.api import RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

PEOPLE: dict[str, dict[str, Any]] = {
    "john": {"email": "john@example.com", "name": "John Doe", "companyName": "Acme Inc"},
    "jorg": {
        "email": "jm@example.org",
        "name": "Jörg Müller",
        "companyName": "Acme Inc",
        "metadata": {"tier": "gold"},
    },
    "jane": {
        "email": "jane@example.com",
        "name": "Jane O'Hara",
        "companyName": "Acme",
        "metadata": {"tier": "gold", "source": "web"},
    },
    "ann": {
        "email": "ann@example.com",
        "name": "Ann Smith",
        "metadata": {"tier": "tin", "a'b\\": "c:* & %_"},
    },
}


class People(NamedTuple):
    """An API with the PEOPLE in its read model."""

    api: RunningApi
    ids: dict[str, str]

    async def found(self, query: str) -> set[str]:
        """Who of them is on the page that this query asks for."""
        answer = await self.api.client.request("GET", f"/v1/customers?{query}")
        assert answer.status == 200, answer.body
        names = {customer_id: name for name, customer_id in self.ids.items()}
        return {names[customer["id"]] for customer in answer.json()["data"]}


@pytest_asyncio.fixture(loop_scope="session")
async def people(api: RunningApi) -> People:
    ids = {name: (await api.client.created(**members))["id"] for name, members in PEOPLE.items()}
    await api.sweep()
    return People(api, ids)


@pytest.mark.parametrize(
    ("query", "who"),
    [
        ("companyName=Acme+Inc", "john jorg"),
        ("companyName=Acme", "jane"),
        ("companyName=acme", ""),
        ("companyName=Acme%00Inc", ""),
        ("companyName=%25", ""),
        ("metadata[tier]=gold", "jorg jane"),
        ("metadata%5Btier%5D=gold", "jorg jane"),
        ("metadata[tier]=gold&metadata[source]=web", "jane"),
        ("metadata[tier]=Gold", ""),
        ("metadata[tier]=%00", ""),
        ("metadata[gold]=tier", ""),
        (f"metadata[{quote(chr(39).join('ab') + chr(92))}]={quote('c:* & %_')}", "ann"),
        ("q=jo", "john jorg"),
        ("q=J", "john jorg jane"),
        ("q=JORG", "jorg"),
        ("q=m%C3%BCl", "jorg"),
        ("q=acme", "john jorg jane"),
        ("q=acme+in", "john jorg"),
        ("q=hara+jane", "jane"),
        ("q=example.com", "john jane ann"),
        ("q=jane@example.com", "jane"),
        ("q=gold", ""),
        ("q=ohn", ""),
        ("q=%FF%FE", ""),
        ("companyName=%ED%A0%80", ""),
        ("q=acme&companyName=Acme&metadata[tier]=gold&created[gt]=0&updated[gt]=0", "jane"),
        ("q=acme&companyName=Acme&metadata[tier]=tin", ""),
        ("q=jane&created[gt]=9999999999", ""),
        ("email=jane@example.com&companyName=Acme&metadata[tier]=gold&q=hara", "jane"),
        ("email=jane@example.com&companyName=Acme+Inc", ""),
        ("email=jane@example.com&metadata[tier]=tin", ""),
        ("email=jane@example.com&q=john", ""),
    ],
)
async def test_filters_find_those_who_match_all_of_them(people: People, query: str, who: str) -> None:
    assert await people.found(query) == set(who.split())


@pytest.mark.parametrize(
    "q",
    [
        "'",
        "''",
        "\\",
        ":*",
        "' | 'zz':*",
        "!",
        "& |",
        "%",
        "_",
        "\x00",
        "a\x00b",
        "🙂",
        "<->",
        "NULL",
        "x" * 256,
        " ".join(f"{n}" for n in range(85)),
        "a b c d e f g h i j k l m n o p q r s t u v w x y z",
    ],
)
async def test_no_words_are_more_than_words(people: People, q: str) -> None:
    assert await people.found(urlencode({"q": q})) == set()
    assert await people.found(urlencode({"companyName": q, "metadata[tier]": q})) == set()


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("q=", "q"),
        (f"q={'x' * 257}", "q"),
        (f"q={'x' * 5000}", "q"),
        ("companyName=", "companyName"),
        (f"companyName={'x' * 257}", "companyName"),
        ("metadata[tier]=", "metadata[tier]"),
        (f"metadata[tier]={'x' * 501}", "metadata[tier]"),
        ("metadata=gold", "metadata"),
        ("metadata=gold&metadata[tier]=gold", "metadata"),
        ("metadata[]=gold", "metadata[]"),
        ("metadata[a][b]=gold", "metadata[a][b]"),
        (f"metadata[{'k' * 41}]=gold", f"metadata[{'k' * 41}]"),
        ("metadata[tier]=gold&metadata[tier]=gold", "metadata[tier]"),
        ("q=a&q=b", "q"),
        ("deleted=1", "deleted"),
        ("count=True", "count"),
        ("fresh=", "fresh"),
    ],
)
async def test_a_filter_that_cannot_be_is_refused_by_name(people: People, query: str, param: str) -> None:
    answer = await people.api.client.request("GET", f"/v1/customers?{query}")
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == param
    assert answer.json()["message"].startswith(param)


async def test_an_unknown_parameter_is_answered_with_those_that_there_are(people: People) -> None:
    answer = await people.api.client.request("GET", "/v1/customers?metadata[tier=gold")
    assert answer.refusal() == (400, "unknown_parameter")
    assert "metadata[key]" in answer.json()["message"]


async def test_a_change_moves_a_customer_from_one_filter_to_another(people: People) -> None:
    await people.api.client.patch(
        people.ids["john"], name="Zoe Fox", companyName=None, metadata={"tier": "new"}
    )
    await people.api.sweep()
    assert await people.found("q=doe") == set()
    assert await people.found("companyName=Acme+Inc") == {"jorg"}
    assert await people.found("q=fox+zoe&metadata[tier]=new") == {"john"}


async def test_nobody_finds_a_customer_of_another_merchant(people: People) -> None:
    stranger = await people.api.of_new_merchant()
    for query in ("q=jo", "companyName=Acme", "metadata[tier]=gold"):
        answer = await stranger.client.request("GET", f"/v1/customers?{query}")
        assert answer.json()["data"] == []


async def test_pages_of_a_search_follow_each_other(people: People) -> None:
    seen: list[str] = []
    for _ in range(3):
        after = {"startingAfter": seen[-1]} if seen else {}
        seen += await people.api.client.ids(q="acme", limit=1, **after)
    assert seen == [people.ids[name] for name in ("jane", "jorg", "john")]
    assert await people.api.client.ids(q="acme", endingBefore=people.ids["john"]) == seen[:2]
