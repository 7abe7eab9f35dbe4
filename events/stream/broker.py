"""Where NATS is, who we are there, and whom we believe to be it.

In: what an operator sets. Out: `Broker`, which a connection is made from, and words for one that failed.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

CONNECT_SECONDS = 3
"""How long a server may take, each of several."""
PING_SECONDS = 5
INBOX = "_INBOX"
"""Where answers go unless said otherwise: the prefix of clients in every language."""

_CUT = (ssl.SSLError, ConnectionError, EOFError)
"""How a server ends a handshake that lacks a certificate, before or after we think that it is over."""


@dataclass(frozen=True)
class Broker:
    """One NATS: a server, or the servers of a cluster. `repr` shows no secret.

    `url` has commas between servers. A `seed` (of an nkey) is who we are, or else `user` and `password`, or
    else what the URL has of them. With `tls`, or a URL `tls://`, a server that offers no TLS is told nothing.
    """

    url: str = field(repr=False)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    seed: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    inbox: str = INBOX

    @property
    def servers(self) -> list[str]:
        """Each server's URL."""
        return [url.strip() for url in self.url.split(",") if url.strip()]

    @property
    def wants_tls(self) -> bool:
        """Whether a server that offers no TLS is refused."""
        return self.tls is not None or any(url.startswith("tls://") for url in self.servers)

    @property
    def has_credentials(self) -> bool:
        """Whether we say who we are."""
        return bool(self.seed or self.user or any("@" in url for url in self.servers))

    def options(self) -> dict[str, Any]:
        """What nats-py's `connect` is told of it."""
        return {
            "servers": self.servers,
            "name": "customers",
            "user": self.user,
            "password": self.password,
            "nkeys_seed_str": self.seed,
            "tls": self.tls,
            "inbox_prefix": self.inbox,
            "connect_timeout": CONNECT_SECONDS,
            "ping_interval": PING_SECONDS,
            "max_outstanding_pings": 2,
            "allow_reconnect": False,
            "max_reconnect_attempts": 1,
            "reconnect_time_wait": 0,
        }


def as_broker(broker: Broker | str) -> Broker:
    """A URL alone is a broker that asks nobody who they are, or that is told in the URL."""
    return Broker(broker) if isinstance(broker, str) else broker


def refuse_malformed(url: str) -> None:
    """Raise ValueError, without the URL in it, unless it names servers as `Broker` has them."""
    servers = Broker(url).servers
    if not servers:
        raise ValueError("it names no server")
    for server in servers:
        parts = urlsplit(server if "://" in server else f"nats://{server}")
        if parts.scheme not in {"nats", "tls"}:
            raise ValueError("a server is nats://host:port or tls://host:port, with commas between several")
        try:
            port = parts.port
        except ValueError:
            port = 0
        if not parts.hostname or port == 0:
            raise ValueError("a server lacks its host, or has a port that is none")


def why(error: BaseException, broker: Broker) -> str:
    """What is wrong with a connection that failed, and what would be right, in one line without secrets."""
    text = str(error).removeprefix("nats: ").strip("'") or type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the server's certificate is not believed: {error.verify_message.rstrip('.')} "
            "(CUSTOMERS_NATS_CA names the file of the authority that signed it)"
        )
    if "Authorization Violation" in text:
        return _KNOWS_US_NOT if broker.has_credentials else _ASKS_WHO
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: no NATS listens there"
    if broker.wants_tls and (isinstance(error, _CUT) or text == "unexpected EOF"):
        return _CUT_SHORT
    return _NO_TLS if text == "secure connection not available" else text


_ASKS_WHO = "it asks who we are: set CUSTOMERS_NATS_SEED_FILE, or CUSTOMERS_NATS_USER and _PASSWORD"
_KNOWS_US_NOT = "it does not know us: the seed, or the user and its password, are not those that it was told"
_NO_TLS = "it offers no TLS, and it is told nothing without (tls:// or CUSTOMERS_NATS_CA ask for it)"
_CUT_SHORT = (
    "it ended the connection during TLS: it may ask for a certificate of ours that it believes "
    "(CUSTOMERS_NATS_CERTIFICATE and CUSTOMERS_NATS_CERTIFICATE_KEY)"
)
