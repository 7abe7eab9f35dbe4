"""Authentication: who gets in, and that a wrong key never learns why it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.api_keys import revoke_key
from service.key_format import make_key, parse_key_text
from service.merchants import deactivate_merchant
from service.operation import Operation
from service.routes import OPERATIONS
from tests.support.api import JOHN, Answer, Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHER_SECRET = bytes(range(32))


def with_other_secret(text: str) -> str:
    """The key with this id and a well-formed, but wrong, secret."""
    parsed = parse_key_text(text)
    assert parsed is not None
    return make_key(parsed.live, parsed.key_id, OTHER_SECRET)


def of_other_kind(text: str) -> str:
    """The same id and secret as a live key instead of a test key."""
    parsed = parse_key_text(text)
    assert parsed is not None
    return make_key(not parsed.live, parsed.key_id, parsed.secret)


def with_wrong_checksum(text: str) -> str:
    """The key with one character of its checksum changed."""
    return text[:-7] + ("1" if text[-7] != "1" else "2") + text[-6:]


WRONG: dict[str, Callable[[str], str]] = {
    "missing": lambda _: "",
    "no key at all": lambda _: "password",
    "cut": lambda text: text[:-1],
    "half": lambda text: text[: len(text) // 2],
    "longer": lambda text: text + "0",
    "upper case": str.upper,
    "wrong checksum": with_wrong_checksum,
    "wrong secret": with_other_secret,
    "unknown id": lambda _: make_key(False, "key_0000000000000000", OTHER_SECRET),
    "live instead of test": of_other_kind,
    "prefix swapped": lambda text: text.replace("sk_test_", "sk_live_"),
    "twice": lambda text: f"{text},{text}",
    "very long": lambda text: text + "x" * 4000,
    "SQL": lambda _: "' OR 1=1 --",
}


def without_request_id(answer: Answer) -> tuple[int, object, dict[str, str]]:
    """An answer without what differs in every answer."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    body = answer.json()
    assert body.pop("requestId") == headers.pop("x-request-id")
    headers.pop("date")
    return answer.status, list(body.items()), headers


async def test_the_key_goes_in_x_api_key_or_as_bearer_token(client: Client) -> None:
    assert (await client.page()).status == 200
    nobody = client.having("")
    for value in (f"Bearer {client.key}", f"bearer {client.key}", f"BEARER   {client.key} "):
        answer = await nobody.request("GET", "/v1/customers", headers={"Authorization": value})
        assert answer.status == 200, value


async def test_every_wrong_key_gets_the_same_401(api: RunningApi) -> None:
    reference = without_request_id(await api.client.having("").page())
    assert reference[0] == 401
    for name, wrong in WRONG.items():
        text = wrong(api.client.key)
        answer = await api.client.having(text).page()
        assert answer.refusal() == (401, "unauthorized"), name
        assert without_request_id(answer) == reference, name
        nobody = api.client.having("")
        answer = await nobody.request("GET", "/v1/customers", headers={"Authorization": f"Bearer {text}"})
        assert without_request_id(answer) == reference, name


async def test_a_401_says_how_to_authenticate_and_repeats_nothing(api: RunningApi) -> None:
    answer = await api.client.having("sk_test_secret").page()
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert b"sk_test_secret" not in answer.body


@pytest.mark.parametrize(
    "value",
    ["", "Basic am9objpkb2U=", "Bearer", "Bearer ", "Token {key}", "{key}", "Bearer{key}", "Bearer\t"],
)
async def test_another_authorization_is_401(api: RunningApi, value: str) -> None:
    headers = {"Authorization": value.format(key=api.client.key)}
    answer = await api.client.having("").request("GET", "/v1/customers", headers=headers)
    assert answer.refusal() == (401, "unauthorized")


async def test_a_wrong_x_api_key_is_not_outweighed_by_a_right_bearer_token(api: RunningApi) -> None:
    wrong = api.client.having(with_other_secret(api.client.key))
    answer = await wrong.request(
        "GET", "/v1/customers", headers={"Authorization": f"Bearer {api.client.key}"}
    )
    assert answer.status == 401


async def test_no_key_writes_nothing_and_is_refused_before_the_body_is_looked_at(api: RunningApi) -> None:
    before = await api.stored()
    wrong = api.client.having(with_other_secret(api.client.key))
    assert (await wrong.request("POST", "/v1/customers", content=b"{")).status == 401
    assert (await wrong.create()).status == 401
    assert await api.stored() == before


async def test_a_live_merchants_key_is_a_live_key(api: RunningApi) -> None:
    live = await api.of_new_merchant(live=True)
    assert live.client.key.startswith("sk_live_")
    assert api.client.key.startswith("sk_test_")
    assert (await live.client.page()).status == 200
    assert (await live.client.having(of_other_kind(live.client.key)).page()).status == 401


@pytest.mark.parametrize(
    ("scopes", "may_read", "may_write"),
    [
        ({"read"}, True, False),
        ({"write"}, False, True),
        ({"read", "write"}, True, True),
        ({"audit", "erase"}, False, False),
        (set(), False, False),
    ],
)
async def test_a_key_may_do_what_its_scopes_say(
    api: RunningApi, scopes: set[str], may_read: bool, may_write: bool
) -> None:
    customer_id = (await api.client.created(email="jane@example.com"))["id"]
    client = await api.client_with(frozenset(scopes))
    for answer in (await client.get(customer_id), await client.page()):
        assert (answer.status == 200) is may_read
        assert may_read or answer.refusal() == (403, "forbidden")
    for answer in (
        await client.create(),
        await client.patch(customer_id, name="Jo"),
        await client.delete(customer_id),
    ):
        assert (answer.status < 300) is may_write
        assert may_write or answer.refusal() == (403, "forbidden")


async def test_a_missing_scope_is_told_the_same_for_ids_that_exist_and_that_do_not(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    client = await api.client_with(frozenset({"write"}))
    known, unknown = await client.get(customer_id), await client.get("cus_1")
    assert without_request_id(known) == without_request_id(unknown)


async def test_several_keys_of_a_merchant_reach_the_same_customers(api: RunningApi) -> None:
    second = await api.client_with(frozenset({"read", "write"}))
    customer = await api.client.created()
    assert (await second.get(customer["id"])).json() == customer


async def test_a_key_with_an_allow_list_works_from_there_alone(api: RunningApi) -> None:
    read = frozenset({"read"})
    for cidrs in (["127.0.0.1"], ["127.0.0.0/8"], ["10.0.0.0/8", "127.0.0.1/32"], ["::1/128", "127.0.0.1"]):
        assert (await (await api.client_with(read, cidrs)).page()).status == 200, cidrs
    reference = without_request_id(await api.client.having("").page())
    for cidrs in (["10.0.0.0/8"], ["127.0.0.2"], ["::1/128"]):
        elsewhere = await api.client_with(read, cidrs)
        assert without_request_id(await elsewhere.page()) == reference, cidrs
        forged = await elsewhere.request("GET", "/v1/customers", headers={"X-Forwarded-For": "10.0.0.1"})
        assert without_request_id(forged) == reference, cidrs


async def test_an_inactive_merchant_is_403(api: RunningApi) -> None:
    await deactivate_merchant(api.operator.admin, api.merchant_id)
    answer = await api.client.page()
    assert answer.refusal() == (403, "merchant_inactive")
    assert (await api.client.create()).refusal() == (403, "merchant_inactive")
    assert (await api.stored())["customer_events"] == 0
    assert (await api.client.having(with_other_secret(api.client.key)).page()).status == 401


async def test_an_unknown_route_tells_nothing_about_keys(api: RunningApi) -> None:
    for client in (api.client, api.client.having("")):
        assert (await client.request("GET", "/v1/nothing")).refusal() == (404, "not_found")


@pytest.mark.parametrize(
    "operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}"
)
async def test_on_every_operation_every_wrong_key_gets_the_same_401(
    api: RunningApi, operation: Operation[Any]
) -> None:
    customer_id = (await api.client.created())["id"]
    path = operation.path.replace("{id}", customer_id)
    key, revoked = await api.operator.key(api.merchant_id)
    assert await revoke_key(api.operator.admin, key.id)
    _, elsewhere = await api.operator.key(api.merchant_id, allowed_cidrs=["192.0.2.0/24"])
    before = await api.stored()
    reference = without_request_id(await api.client.having("").page())
    for text in ("", revoked, elsewhere, *(wrong(api.client.key) for wrong in WRONG.values())):
        answer = await api.client.having(text).request(operation.method, path, operation.body and JOHN)
        assert answer.refusal() == (401, "unauthorized")
        assert without_request_id(answer) == reference
    assert await api.stored() == before


async def test_a_head_without_a_key_has_the_headers_of_a_get(api: RunningApi) -> None:
    nobody = api.client.having("")
    answers = [await nobody.request(method, "/v1/customers") for method in ("GET", "HEAD")]
    get, head = ({name for name in answer.headers if name != "Date"} for answer in answers)
    assert [answer.status for answer in answers] == [401, 401]
    assert answers[1].body == b""
    assert head == get


@pytest.mark.parametrize("name", ["X-API-Key", "Authorization"])
async def test_two_keys_in_one_request_are_refused(api: RunningApi, name: str) -> None:
    text = f"Bearer {api.client.key}" if name == "Authorization" else api.client.key
    answer = await api.client.having("").request("GET", "/v1/customers", headers=[(name, text), (name, text)])
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == name
