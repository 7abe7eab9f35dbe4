"""The service's settings: the one place that reads the environment.

In: variables that begin with `CUSTOMERS_`, and the files of CUSTOMERS_SECRETS_DIR. Out: a frozen `Settings`.
An unknown `CUSTOMERS_*` variable and a value that does not fit are refused at start, in one line that names
the variable and never shows a value.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from events.stream.broker import INBOX, refuse_malformed
from events.stream.settings import StreamSettings

PREFIX = "CUSTOMERS_"


class SettingsError(Exception):
    """A setting is unknown or does not fit; its text is one clear line."""


def _words(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


NetworkList = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_words)]
"""Addresses and CIDRs; as text, with commas or spaces between them."""


def _servers(url: str) -> str:
    refuse_malformed(url)
    return url


NatsUrl = Annotated[str, AfterValidator(_servers)]
"""One server's URL or several, with commas between them."""


class Settings(BaseSettings):
    """What an operator may set; durations are seconds. URLs may hold passwords, so `repr` leaves them out."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True
    )

    database_url: str | None = Field(default=None, repr=False)
    """PostgreSQL as the application's role; without it `up` brings its own server."""
    admin_database_url: str | None = Field(default=None, repr=False)
    """PostgreSQL as the role that migrates and keeps merchants and keys; see `admin_url`."""
    nats_url: NatsUrl | None = Field(default=None, repr=False)
    """NATS with JetStream, with commas between the servers of a cluster; without it `up` brings its own
    server. `tls://` refuses a server that offers no TLS, as does any of the next four files."""
    nats_ca: Path | None = None
    """The certificates of the authorities that NATS's certificate may be of, instead of the system's."""
    nats_certificate: Path | None = None
    """Our own certificate, where NATS asks for one, with those of its authorities behind it."""
    nats_certificate_key: Path | None = None
    """Its private key, if it is not in the same file."""
    nats_seed_file: Path | None = None
    """Where the seed of our nkey is, by which NATS knows us."""
    nats_seed: SecretStr | None = None
    """The seed itself, instead of a file."""
    nats_user: str | None = None
    """Who we are on a NATS that knows us by a password; else the URL may say it."""
    nats_password: SecretStr | None = None
    nats_inbox: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")] = INBOX
    """The prefix of the subjects of answers to us, where NATS allows us no other."""
    secrets_dir: Path | None = None
    """Files named as variables in small letters (`customers_database_url`) stand for variables that are not
    set: where containers mount secrets, the environment shows none."""
    data_dir: Path = Path(".customers")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    """0 takes any free port."""
    master_key_file: Path | None = None
    """Where the master key's text is; see `master_key_path`."""
    master_key: SecretStr | None = None
    """The master key's text itself, instead of a file."""
    erasure_list: Path | None = None
    """Where to list erasures (a file that is not restored with the database): a start on a database that was
    restored from a backup, and has somebody back who was erased, is then refused."""
    lanes: int = Field(default=1, ge=1, le=64)
    """Connections that append, and so the number of commits that can be under way.

    One Python process keeps one busy: more make batches smaller. Measured with 8 merchants and 32 connections
    on two cores: 1 lane 5,900 creates/s, 2 lanes 5,400, 4 lanes 5,100. Where a commit takes long (a
    synchronous standby far away), more lanes let more of them be under way.
    """
    queue_limit: int = Field(default=4096, ge=1)
    """Commands that may wait in this process before it answers 503."""
    stream_replicas: int = Field(default=1, ge=1, le=5)
    """Copies that NATS keeps of the streams that `relay` and `streams` make; 3 on a cluster."""
    stream_max_age_seconds: int | None = Field(default=None, ge=0, le=100 * 366 * 24 * 3600)
    """How long that stream keeps a message; 0 for ever. Unset: for ever, or as somebody has set the stream.
    A change works within seconds. Subscribers that are behind read `GET /v1/events`, which has everything."""
    stream_max_bytes: int | None = Field(default=None, ge=0, le=2**62)
    """How many bytes that stream keeps, the newest; 0 all. Unset: all, or as somebody has set the stream."""
    read_connections: int = Field(default=2, ge=1, le=64)
    trusted_proxies: NetworkList = ()
    """Whose X-Forwarded-For is believed where a key has an allow list; see `client_address.py`."""
    header_seconds: float = Field(default=10, gt=0)
    """How long a request's head may take to arrive, from its first byte on."""
    body_seconds: float = Field(default=30, gt=0)
    """How long a request's body may take to arrive, and how long a client may let an answer wait."""
    idle_seconds: float = Field(default=75, gt=0)
    """How long a connection may stay without a request; more than the load balancer's own limit."""
    max_connections: int = Field(default=10_000, ge=1)
    """Open connections, if the system allows so many: beyond, those that are idle the longest are closed."""
    heartbeat_seconds: float = Field(default=15, gt=0, le=15)
    """How often an event stream says something although nothing happens; less than what proxies cut off."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    drain_seconds: float = Field(default=0, ge=0)
    """How long to go on listening at a stop with /readyz answering 503, so that load balancers notice."""
    shutdown_seconds: float = Field(default=10, gt=0)
    """How long requests under way may take to finish at a stop."""
    checkpoint_seconds: float = Field(default=3600, ge=0)
    """How often `up` and `relay` sign the ledgers that have moved; 0 is never."""
    append_deadline_seconds: float = Field(default=5, gt=0)
    """How long a command may wait for its commit before it is answered 503."""

    @property
    def stream(self) -> StreamSettings:
        """How the stream of customer events is to be."""
        return StreamSettings(self.stream_replicas, self.stream_max_age_seconds, self.stream_max_bytes)

    @property
    def admin_url(self) -> str | None:
        """The administrator's URL, which is the application's where there is no other."""
        return self.admin_database_url or self.database_url

    @property
    def master_key_path(self) -> Path:
        """The master key's file, by default `master.key` in the data directory."""
        return self.master_key_file or self.data_dir / "master.key"


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment; an override that is not None (a command's option) wins over it.

    Raises:
        SettingsError: a `CUSTOMERS_*` variable is unknown, or a value does not fit.
    """
    refuse_unknown(os.environ)
    secrets = os.environ.get(f"{PREFIX}SECRETS_DIR") or None
    if secrets is not None and not Path(secrets).is_dir():
        raise SettingsError(f"{PREFIX}SECRETS_DIR: {secrets} is no directory")
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(_secrets_dir=secrets, **given)
    except ValidationError as error:
        raise SettingsError(describe(error)) from None
    except OSError as error:
        raise SettingsError(f"{error.filename} cannot be read: {error.strerror}") from None


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raise SettingsError for the first variable with our prefix that is no setting: often a misspelling."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(f"{name} is not a setting; known are {', '.join(sorted(known))}")


def describe(error: ValidationError) -> str:
    """One line about the first value that does not fit, without the value, which may be a secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = "_".join(str(part) for part in first["loc"]).upper()
    return f"{PREFIX}{name}: {first['msg']}"
