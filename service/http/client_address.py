"""Where a request comes from: the peer's address, or what the proxies that are trusted say of it.

In: the peer's address, the lines of X-Forwarded-For, and the networks of the proxies. Out: an address, or
None where there is none to rely on. Anybody can send the header: it counts as far as such proxies wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]


def client_address(peer: str | None, forwarded_for: Iterable[str], proxies: Networks) -> Address | None:
    """The first address, from the peer outwards, that is no trusted proxy's.

    Where all of them are, the request began at the outermost. None: the peer has no address (a unix socket),
    or the next address out, which a trusted proxy wrote, is none.
    """
    address = parse_address(peer or "")
    for text in reversed(",".join(forwarded_for).split(",")):
        if address is None or not is_in(address, proxies):
            break
        if text.strip():
            address = parse_address(text.strip())
    return address


def is_in(address: Address, networks: Networks) -> bool:
    """Whether one of the networks has the address."""
    return any(address in network for network in networks)


def parse_address(text: str) -> Address | None:
    """The address; an IPv4 address that is written as IPv6 (::ffff:192.0.2.1) is the IPv4 address."""
    try:
        address = ip_address(text.partition("%")[0])  # without the zone of a link-local address
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
