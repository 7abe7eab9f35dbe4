"""Allow lists behind a proxy: the client's address is what the proxy says, if it is one that is trusted."""

from __future__ import annotations

from ipaddress import ip_network

from service.settings import Settings
from tests.support.api import READ_WRITE, Client, Headers, RunningApi, running_api
from tests.support.databases import TestDatabase

BEHIND_PROXIES = Settings(trusted_proxies=(ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")))
CLIENT, STRANGER = "192.0.2.5", "203.0.113.9"


async def client_of(api: RunningApi) -> Client:
    """A client whose key works from one network alone."""
    return await api.client_with(READ_WRITE, ["192.0.2.0/24"])


async def status(client: Client, headers: Headers) -> int:
    return (await client.request("GET", "/v1/customers", headers=headers)).status


async def test_behind_a_trusted_proxy_an_allow_list_is_held_against_the_client(
    database: TestDatabase,
) -> None:
    async with running_api(database, BEHIND_PROXIES) as api:
        client = await client_of(api)
        assert await status(client, {"X-Forwarded-For": CLIENT}) == 200
        assert await status(client, {"X-Forwarded-For": f"{STRANGER}, {CLIENT}, 10.0.0.7"}) == 200
        assert await status(client, {"X-Forwarded-For": f"::ffff:{CLIENT}"}) == 200
        assert await status(client, [("X-Forwarded-For", STRANGER), ("X-Forwarded-For", CLIENT)]) == 200
        for forged in (STRANGER, f"{CLIENT}, {STRANGER}", f"{CLIENT}, nonsense", "", "10.0.0.7"):
            assert await status(client, {"X-Forwarded-For": forged}) == 401, forged
        assert await status(client, {"Forwarded": f"for={CLIENT}", "X-Real-IP": CLIENT}) == 401
        assert await status(api.client, {"X-Forwarded-For": "nonsense"}) == 200


async def test_without_trusted_proxies_the_header_changes_nothing(database: TestDatabase) -> None:
    async with running_api(database) as api:
        client = await client_of(api)
        assert await status(client, {"X-Forwarded-For": CLIENT}) == 401
        at_home = await api.client_with(READ_WRITE, ["127.0.0.1"])
        assert await status(at_home, {"X-Forwarded-For": STRANGER}) == 200
