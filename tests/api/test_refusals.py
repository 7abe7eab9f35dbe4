"""Refusals: the error body, and the statuses that HTTP itself asks for."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest

from tests.support.api import JOHN, Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

REQUEST_ID = re.compile(r"req_[0-9a-f]{24}")
UNKNOWN = "cus_01jd4q8w9zexampxexampxe000"


async def test_an_error_has_the_documented_members_in_their_order(client: Client) -> None:
    await client.create()
    answer = await client.create(email="JOHN@example.com")
    assert (answer.status, answer.headers["Content-Type"]) == (409, "application/json")
    assert list(answer.json().items()) == [
        ("statusCode", 409),
        ("message", 'Email "JOHN@example.com" already exists for this merchant'),
        ("error", "Conflict"),
        ("code", "duplicate_email"),
        ("param", "email"),
        ("requestId", answer.headers["X-Request-Id"]),
    ]


async def test_several_invalid_members_are_all_listed(client: Client) -> None:
    answer = await client.create(email="x", name=None, phone=5, address={"planet": "Mars"}, metadata={"a": 1})
    body = answer.json()
    assert answer.refusal() == (400, "invalid_request")
    assert list(body) == ["statusCode", "message", "error", "code", "param", "requestId", "errors"]
    assert body["param"] == "email"
    assert [list(error) for error in body["errors"]] == [["param", "code", "message"]] * 5
    assert [(error["param"], error["code"]) for error in body["errors"]] == [
        ("email", "invalid_format"),
        ("name", "not_nullable"),
        ("phone", "wrong_type"),
        ("address.planet", "unknown_member"),
        ("metadata.a", "wrong_type"),
    ]


async def test_an_error_without_a_member_at_fault_has_no_param(client: Client) -> None:
    body = (await client.get(UNKNOWN)).json()
    assert list(body) == ["statusCode", "message", "error", "code", "requestId"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/v1/customers/{UNKNOWN}", "customer_not_found"),
        ("/v1/customers/1", "customer_not_found"),
        ("/v1/customers/cus_", "customer_not_found"),
        (f"/v1/customers/{UNKNOWN.upper()}", "customer_not_found"),
        (f"/v1/customers/{UNKNOWN}%00", "customer_not_found"),
        (f"/v1/customers/{UNKNOWN}%0A", "customer_not_found"),
        ("/v1/customers/%25", "customer_not_found"),
        ("/v1/customers/*", "customer_not_found"),
        ("/v1/customers/%3E", "customer_not_found"),
        ("/v1/customers/cus_%FF%FE", "customer_not_found"),
        ("/v1/customers/' OR 1=1 --".replace(" ", "%20"), "customer_not_found"),
        ("/v1/customers/" + "x" * 5000, "customer_not_found"),
        ("/v1/customers/", "not_found"),
        (f"/v1/customers/{UNKNOWN}/unknown", "not_found"),
        ("/v1", "not_found"),
        ("/v1/customer", "not_found"),
        ("/v2/customers", "not_found"),
        ("/", "not_found"),
        ("//v1/customers", "not_found"),
    ],
)
async def test_what_is_not_there_is_404(client: Client, path: str, code: str) -> None:
    assert (await client.request("GET", path)).refusal() == (404, code)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/customers", {"GET", "HEAD", "POST"}),
        ("DELETE", "/v1/customers", {"GET", "HEAD", "POST"}),
        ("OPTIONS", "/v1/customers", {"GET", "HEAD", "POST"}),
        ("POST", f"/v1/customers/{UNKNOWN}", {"DELETE", "GET", "HEAD", "PATCH"}),
        ("PUT", f"/v1/customers/{UNKNOWN}", {"DELETE", "GET", "HEAD", "PATCH"}),
        ("PROPFIND", f"/v1/customers/{UNKNOWN}", {"DELETE", "GET", "HEAD", "PATCH"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
    ],
)
async def test_another_method_is_405_with_allow(
    client: Client, method: str, path: str, allow: set[str]
) -> None:
    answer = await client.request(method, path)
    assert answer.refusal() == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allow


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/xml", "json", ""],
)
async def test_another_content_type_is_415(api: RunningApi, content_type: str) -> None:
    customer_id = (await api.client.created(email="jane@example.com"))["id"]
    before = await api.stored()
    headers = {"Content-Type": content_type}
    created = await api.client.create(headers)
    assert created.refusal() == (415, "unsupported_media_type")
    assert "Accept-Patch" not in created.headers
    patched = await api.client.patch(customer_id, headers, name="Jo")
    assert patched.refusal() == (415, "unsupported_media_type")
    accepted = set(patched.headers["Accept-Patch"].split(", "))
    assert accepted == {"application/json", "application/merge-patch+json"}
    assert await api.stored() == before


async def test_a_merge_patch_is_no_new_customer(client: Client) -> None:
    answer = await client.create({"Content-Type": "application/merge-patch+json"})
    assert answer.refusal() == (415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity", "gzip, gzip"])
async def test_any_content_encoding_is_415(client: Client, encoding: str) -> None:
    answer = await client.create({"Content-Encoding": encoding})
    assert answer.refusal() == (415, "unsupported_media_type")
    assert "Accept-Patch" not in answer.headers


async def test_a_patch_with_content_encoding_is_415_with_accept_patch(client: Client) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.patch(customer_id, {"Content-Encoding": "gzip"}, name="Jo")
    assert answer.refusal() == (415, "unsupported_media_type")
    assert "application/merge-patch+json" in answer.headers["Accept-Patch"]


async def test_unknown_parameters_of_changes_are_400(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    before = await api.stored()
    for method, path in (
        ("POST", "/v1/customers?dryRun=true"),
        ("PATCH", f"/v1/customers/{customer_id}?merchantId=mer_1"),
        ("DELETE", f"/v1/customers/{customer_id}?force=true"),
    ):
        answer = await api.client.request(method, path, None if method == "DELETE" else JOHN)
        assert answer.refusal() == (400, "unknown_parameter"), method
    assert await api.stored() == before


async def test_every_answer_under_v1_is_private_and_revalidated_and_has_its_own_request_id(
    client: Client,
) -> None:
    customer_id = (await client.created())["id"]
    answers = [
        await client.create(),
        await client.get(customer_id),
        await client.get(customer_id, {"If-None-Match": "*"}),
        await client.page(),
        await client.patch(customer_id, phone="1"),
        await client.delete(customer_id),
        await client.get(UNKNOWN),
        await client.request("PUT", "/v1/customers"),
        await client.request("GET", "/v1/nothing"),
        await client.having("").page(),
    ]
    for answer in answers:
        assert answer.headers["Cache-Control"] == "private, no-cache", answer
        assert REQUEST_ID.fullmatch(answer.headers["X-Request-Id"])
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == len(answers)


async def test_a_request_id_of_the_client_is_not_taken_over(client: Client) -> None:
    answer = await client.create({"X-Request-Id": "req_000000000000000000000000"})
    assert answer.headers["X-Request-Id"] != "req_000000000000000000000000"


async def test_the_error_phrase_is_that_of_the_status(client: Client) -> None:
    customer_id = (await client.created())["id"]
    for answer in (
        await client.create(name=""),
        await client.having("").page(),
        await client.get(UNKNOWN),
        await client.request("PUT", "/v1/customers"),
        await client.patch(customer_id, {"If-Match": '"9"'}, name="Jo"),
    ):
        body = answer.json()
        assert body["statusCode"] == answer.status
        assert body["error"] == HTTPStatus(answer.status).phrase


async def test_health_needs_no_key(client: Client) -> None:
    nobody = client.having("")
    for path in ("/healthz", "/readyz"):
        answer = await nobody.request("GET", path)
        assert answer.status == 200
        assert "X-Request-Id" in answer.headers
        assert (await nobody.request("HEAD", path)).status == 200


async def test_a_body_in_another_charset_is_415(client: Client) -> None:
    answer = await client.create({"Content-Type": "application/json; charset=UTF-16"})
    assert answer.refusal() == (415, "unsupported_media_type")


async def test_a_body_in_utf_8_may_say_so(client: Client) -> None:
    assert (await client.create({"Content-Type": "application/json; charset=UTF-8"})).status == 201


async def test_a_coded_body_is_415_on_delete_too(client: Client) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.delete(customer_id, {"Content-Encoding": "gzip"})
    assert answer.refusal() == (415, "unsupported_media_type")
    assert (await client.get(customer_id)).json()["email"] == "john@example.com"
