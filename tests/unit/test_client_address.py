"""Where a request comes from, with and without proxies, and with headers that anybody may have written."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from service.http.client_address import client_address

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")]
PEER, PROXY, CLIENT = "198.51.100.7", "10.0.0.1", "192.0.2.5"


def seen(peer: str | None, *lines: str) -> str | None:
    """The address that is believed, as text."""
    address = client_address(peer, lines, PROXIES)
    return None if address is None else str(address)


def test_without_trusted_proxies_the_peer_is_the_client_whatever_a_header_says() -> None:
    assert str(client_address(PROXY, [CLIENT], [])) == PROXY


def test_a_peer_that_is_no_trusted_proxy_may_write_what_it_likes() -> None:
    assert seen(PEER, CLIENT) == PEER
    assert seen(PEER, "10.0.0.2") == PEER


def test_what_a_trusted_proxy_says_is_believed() -> None:
    assert seen(PROXY, CLIENT) == CLIENT
    assert seen("2001:db8:1::9", "2001:db8:9::1") == "2001:db8:9::1"


def test_what_the_client_wrote_before_the_proxy_did_is_not() -> None:
    assert seen(PROXY, f"203.0.113.9, {CLIENT}") == CLIENT
    assert seen(PROXY, f"nonsense, {CLIENT}") == CLIENT
    assert seen(PROXY, f"10.0.0.9, {CLIENT}") == CLIENT


def test_a_chain_of_trusted_proxies_is_followed_outwards() -> None:
    assert seen(PROXY, f"203.0.113.9, {CLIENT}, 10.0.0.3,10.0.0.2") == CLIENT


def test_several_lines_are_one_list() -> None:
    assert seen(PROXY, "203.0.113.9", f"{CLIENT}, 10.0.0.2") == CLIENT


def test_what_began_at_a_trusted_machine_comes_from_there() -> None:
    assert seen(PROXY) == PROXY
    assert seen(PROXY, "") == PROXY
    assert seen(PROXY, "10.9.9.9, 10.0.0.2") == "10.9.9.9"


@pytest.mark.parametrize(
    "written", ["unknown", "_hidden", "192.0.2.5:443", "192.0.2", "999.1.1.1", "a" * 9999]
)
def test_an_address_that_a_proxy_wrote_and_that_is_none_is_not_guessed_at(written: str) -> None:
    assert seen(PROXY, f"{CLIENT}, {written}") is None


def test_an_ipv4_address_written_as_ipv6_is_the_ipv4_address() -> None:
    assert seen("::ffff:198.51.100.7") == PEER
    assert seen("::ffff:10.0.0.1", "::ffff:192.0.2.5") == CLIENT


def test_the_zone_of_a_link_local_address_does_not_count() -> None:
    assert seen("fe80::1%eth0") == "fe80::1"


def test_a_unix_socket_has_no_address() -> None:
    assert seen(None, CLIENT) is None
    assert seen("", CLIENT) is None
