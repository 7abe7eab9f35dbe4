"""NATS over TLS and by password, as the settings say: what works, and what every refusal says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from events.errors import BrokerUnavailable
from events.stream.broker import Broker
from events.stream.jetstream import JetStream
from service.brokers import named_broker
from service.errors import StartupError
from service.settings import SettingsError, load_settings
from tests.support.certificates import Authority, Signed
from tests.support.databases import TestDatabase
from tests.support.deployment import deployed
from tests.support.directories import short_directory
from tests.support.nats_accounts import Guarded
from tests.support.serve import comes_about, customers_works

PASSWORD = "hunter2-of-the-relay"
ASKS_FOR_PASSWORD = f"authorization: {{user: relay, password: {PASSWORD}}}"


class Secured:
    """Servers: one with TLS, one that asks for a certificate of ours too, one with a password alone."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory, self._stack = directory, stack
        self.authority = Authority(directory, "authority")
        self.stranger = Authority(directory, "stranger")
        self.ours = self.authority.signs("ours")
        self.theirs = self.stranger.signs("theirs")
        certificate = self.authority.signs("server", "127.0.0.1")
        self.tls = self._server("tls", self._tls(certificate), ASKS_FOR_PASSWORD)
        self.mutual = self._server("mutual", self._tls(certificate, "verify: true"))
        self.misnamed = self._server("misnamed", self._tls(self.authority.signs("other", "nats.example.com")))
        self.plain = self._server("plain", ASKS_FOR_PASSWORD)

    def _tls(self, signed: Signed, *more: str) -> str:
        lines = [
            f'cert_file: "{signed.certificate}"',
            f'key_file: "{signed.key}"',
            f'ca_file: "{self.authority.certificate}"',
            *more,
        ]
        return f"tls {{ {'; '.join(lines)} }}"

    def _server(self, name: str, *lines: str) -> str:
        """The address of a server with these lines in its configuration."""
        directory = self._directory / name
        directory.mkdir()
        server = Guarded(directory)
        text = "\n".join(["jetstream: {store_dir: $NATS_DATA}", *lines])
        (server.configuration / "nats.conf").write_text(text)
        self._stack.callback(server.stop)
        server.start()
        return server.url.partition("://")[2]


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    with short_directory() as directory, ExitStack() as stack:
        yield Secured(directory, stack)


def broker(url: str, **settings: object) -> Broker:
    """As the commands make it of settings."""
    made = named_broker(load_settings(nats_url=url, **settings))
    assert made is not None
    return made


async def connects(made: Broker) -> None:
    async with JetStream.connect(made) as stream:
        assert await stream.stream("NONE") is None


async def refusal(made: Broker) -> str:
    """What is said when it does not connect: one line, without the secret."""
    with pytest.raises(BrokerUnavailable) as refused:
        await connects(made)
    said = str(refused.value)
    assert said.startswith("NATS cannot be reached: ")
    assert "\n" not in said
    assert "hunter2" not in said
    return said


@pytest.mark.parametrize("scheme", ["nats", "tls"])
async def test_the_right_authority_and_password_connect(secured: Secured, scheme: str) -> None:
    url = f"{scheme}://{secured.tls}"
    await connects(
        broker(url, nats_ca=secured.authority.certificate, nats_user="relay", nats_password=PASSWORD)
    )


async def test_the_url_may_have_the_password(secured: Secured) -> None:
    await connects(broker(f"tls://relay:{PASSWORD}@{secured.tls}", nats_ca=secured.authority.certificate))


async def test_our_certificate_is_shown_where_it_is_asked_for(secured: Secured) -> None:
    await connects(
        broker(
            f"tls://{secured.mutual}",
            nats_ca=secured.authority.certificate,
            nats_certificate=secured.ours.certificate,
            nats_certificate_key=secured.ours.key,
        )
    )


async def test_a_certificate_of_another_authority_is_refused(secured: Secured) -> None:
    said = await refusal(broker(f"tls://{secured.tls}", nats_ca=secured.stranger.certificate))
    assert "certificate is not believed" in said
    assert "CUSTOMERS_NATS_CA" in said


async def test_without_an_authority_of_ours_the_systems_decide(secured: Secured) -> None:
    assert "certificate is not believed" in await refusal(broker(f"tls://{secured.tls}"))


async def test_a_plain_connection_to_a_server_with_tls_is_refused(secured: Secured) -> None:
    assert "certificate is not believed" in await refusal(broker(f"nats://{secured.tls}"))


async def test_a_certificate_for_another_host_is_refused(secured: Secured) -> None:
    said = await refusal(broker(f"tls://{secured.misnamed}", nats_ca=secured.authority.certificate))
    assert "IP address mismatch" in said


async def test_a_server_that_asks_for_a_certificate_is_told_of(secured: Secured) -> None:
    said = await refusal(broker(f"tls://{secured.mutual}", nats_ca=secured.authority.certificate))
    assert "CUSTOMERS_NATS_CERTIFICATE" in said


async def test_a_certificate_that_the_server_does_not_believe_is_told_of(secured: Secured) -> None:
    said = await refusal(
        broker(
            f"tls://{secured.mutual}",
            nats_ca=secured.authority.certificate,
            nats_certificate=secured.theirs.certificate,
            nats_certificate_key=secured.theirs.key,
        )
    )
    assert "CUSTOMERS_NATS_CERTIFICATE" in said


@pytest.mark.parametrize("with_authority", [True, False])
async def test_a_server_without_tls_is_told_no_password(secured: Secured, with_authority: bool) -> None:
    authority = secured.authority.certificate if with_authority else None
    scheme = "nats" if with_authority else "tls"
    said = await refusal(
        broker(f"{scheme}://{secured.plain}", nats_ca=authority, nats_user="relay", nats_password=PASSWORD)
    )
    assert "it offers no TLS" in said


async def test_a_wrong_password_is_told_and_not_shown(secured: Secured) -> None:
    said = await refusal(broker(f"nats://{secured.plain}", nats_user="relay", nats_password="hunter2"))
    assert "it does not know us" in said
    said = await refusal(broker(f"nats://relay:hunter2@{secured.plain}"))
    assert "it does not know us" in said


async def test_no_password_where_one_is_asked_for_is_told(secured: Secured) -> None:
    assert "it asks who we are" in await refusal(broker(f"nats://{secured.plain}"))


async def test_of_several_servers_those_that_are_there_are_found(secured: Secured) -> None:
    urls = f"nats://127.0.0.1:1, nats://{secured.plain},nats://127.0.0.1:2"
    for _ in range(5):  # the order is chance
        await connects(broker(urls, nats_user="relay", nats_password=PASSWORD))


async def test_a_server_that_is_not_there_is_told(secured: Secured) -> None:
    assert "refused" in (await refusal(broker("nats://127.0.0.1:1,nats://127.0.0.1:2"))).lower()


async def test_the_relay_goes_on_trying_and_says_why(
    secured: Secured, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with deployed(database) as deployment:
        given = {
            "CUSTOMERS_NATS_URL": f"tls://{secured.tls}",
            "CUSTOMERS_NATS_CA": str(secured.stranger.certificate),
            "CUSTOMERS_NATS_USER": "relay",
            "CUSTOMERS_NATS_PASSWORD": PASSWORD,
        }
        async with customers_works(deployment.environment | given, "relay") as relay:

            async def is_told() -> bool:
                return "certificate is not believed" in relay.said()

            await comes_about(is_told)
            assert relay.process.returncode is None
            assert "Traceback" not in relay.said()
            assert PASSWORD not in relay.said()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"nats_ca": "missing.pem"}, "CUSTOMERS_NATS_CA: missing.pem cannot be read: No such file"),
        ({"nats_ca": __file__}, "holds no certificate in PEM"),
        ({"nats_certificate": "missing.pem"}, "CUSTOMERS_NATS_CERTIFICATE: missing.pem cannot be read"),
        ({"nats_certificate": __file__}, "no certificate and its private key"),
        ({"nats_certificate_key": "key.pem"}, "CUSTOMERS_NATS_CERTIFICATE is not"),
        ({"nats_seed_file": "missing"}, "CUSTOMERS_NATS_SEED_FILE: missing cannot be read: No such file"),
        ({"nats_seed": "hunter2"}, "CUSTOMERS_NATS_SEED: it is not the seed of an nkey"),
        ({"nats_user": "relay"}, "of use together only"),
        ({"nats_password": "hunter2"}, "of use together only"),
    ],
)
def test_what_does_not_fit_together_is_refused_at_start(settings: dict[str, str], said: str) -> None:
    with pytest.raises(StartupError) as refused:
        broker("nats://nats.example.com", **settings)
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_credentials_without_a_server_are_refused() -> None:
    with pytest.raises(StartupError, match="CUSTOMERS_NATS_URL is not"):
        named_broker(load_settings(nats_user="relay", nats_password="hunter2"))


@pytest.mark.parametrize(
    "url", ["http://nats.example.com", "nats://", "nats://hunter2@host:port", "nats://host:0", ","]
)
def test_a_url_that_names_no_server_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^CUSTOMERS_NATS_URL: ") as refused:
        load_settings(nats_url=url)
    assert "hunter2" not in str(refused.value)


def test_credentials_are_not_shown() -> None:
    made = broker("nats://a:hunter2@nats.example.com", nats_user="relay", nats_password="hunter2")
    assert "hunter2" not in repr(made)
