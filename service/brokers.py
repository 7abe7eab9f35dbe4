"""The NATS that the settings name: credentials and certificates, read once, at the start.

In: the settings. Out: a `Broker`. What is missing or malformed is refused before anything is connected, in
one line that names the variable and never shows what the file has.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from events.stream.broker import Broker
from events.stream.nkeys import NotASeed, public_key
from service.errors import StartupError
from service.settings import Settings


def named_broker(settings: Settings) -> Broker | None:
    """The broker that the settings name, if they do. Raises StartupError."""
    if settings.nats_url is None:
        _refuse_without_url(settings)
        return None
    password = settings.nats_password
    if (settings.nats_user is None) != (password is None):
        raise StartupError("CUSTOMERS_NATS_USER and CUSTOMERS_NATS_PASSWORD are of use together only")
    return Broker(
        settings.nats_url,
        user=settings.nats_user,
        password=password.get_secret_value() if password else None,
        seed=_seed(settings),
        tls=_tls(settings),
        inbox=settings.nats_inbox,
    )


def _refuse_without_url(settings: Settings) -> None:
    for name in ("nats_ca", "nats_certificate", "nats_seed_file", "nats_user"):
        if getattr(settings, name) is not None:
            raise StartupError(f"CUSTOMERS_{name.upper()} is set and CUSTOMERS_NATS_URL is not")


def _seed(settings: Settings) -> str | None:
    if settings.nats_seed is not None:
        seed, origin = settings.nats_seed.get_secret_value(), "CUSTOMERS_NATS_SEED"
    elif settings.nats_seed_file is not None:
        origin = f"CUSTOMERS_NATS_SEED_FILE: {settings.nats_seed_file}"
        try:
            seed = settings.nats_seed_file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise StartupError(f"{origin} cannot be read: {_reason(error)}") from None
    else:
        return None
    try:
        public_key(seed)
    except NotASeed as error:
        raise StartupError(f"{origin}: {error}") from None
    return seed.strip()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """Whom to believe and what to show, if any of it is set; names of hosts are always verified."""
    certificate, key = settings.nats_certificate, settings.nats_certificate_key
    if certificate is None and key is not None:
        raise StartupError("CUSTOMERS_NATS_CERTIFICATE_KEY is set and CUSTOMERS_NATS_CERTIFICATE is not")
    if settings.nats_ca is None and certificate is None:
        return None
    context = _believing(settings.nats_ca)
    if certificate is not None:
        _show(context, certificate, key)
    return context


def _believing(authority: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except ssl.SSLError:
        raise StartupError(f"CUSTOMERS_NATS_CA: {authority} holds no certificate in PEM") from None
    except OSError as error:
        raise StartupError(f"CUSTOMERS_NATS_CA: {authority} cannot be read: {_reason(error)}") from None


def _show(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    files = f"{certificate} and {key}" if key else str(certificate)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError:
        raise StartupError(
            f"CUSTOMERS_NATS_CERTIFICATE: {files} hold no certificate and its private key in PEM, unencrypted"
        ) from None
    except OSError as error:
        raise StartupError(f"CUSTOMERS_NATS_CERTIFICATE: {files} cannot be read: {_reason(error)}") from None


def _no_password() -> str:
    """An encrypted key would else be asked about on the terminal."""
    return ""


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else "it is not text"
