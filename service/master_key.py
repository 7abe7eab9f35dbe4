"""Where the master key comes from: a setting, a file or, on the first run, chance.

In: the settings. Out: `MasterKeys`. Whoever loses the file loses every customer's data: it is made once,
durably, and only ever gets further versions.
"""

from __future__ import annotations

from pathlib import Path

from events.master_keys import MasterKeys
from service.durable import write_secret
from service.errors import StartupError
from service.settings import Settings


def load_master_keys(settings: Settings) -> MasterKeys:
    """The master keys that the settings give. Raises StartupError: there are none, or they are malformed."""
    if settings.master_key is not None:
        return parse(settings.master_key.get_secret_value(), "CUSTOMERS_MASTER_KEY")
    path = settings.master_key_path
    try:
        return parse(path.read_text(), str(path))
    except FileNotFoundError:
        raise StartupError(
            f"there is no master key: {path} does not exist and CUSTOMERS_MASTER_KEY is not set"
        ) from None
    except (OSError, UnicodeDecodeError):
        raise StartupError(f"the master key's file {path} cannot be read") from None


def has_master_keys(settings: Settings) -> bool:
    """Whether the settings lead to a master key; the first run makes one where they do not."""
    return settings.master_key is not None or settings.master_key_path.exists()


def make_master_keys(path: Path) -> MasterKeys:
    """New random master keys, in a file of mode 0600. Raises StartupError when it cannot be written."""
    text = MasterKeys.generate_text()
    try:
        write_secret(path, text)
    except OSError as error:
        raise StartupError(f"the master key's file {path} cannot be written: {error.strerror}") from None
    return MasterKeys.from_text(text)


def add_master_key(settings: Settings) -> MasterKeys:
    """A new version behind those in the file, which is replaced whole; all of them.

    Raises StartupError: the file cannot be read or written.
    """
    path = settings.master_key_path
    master_keys = load_master_keys(settings)
    try:
        text = path.read_text().rstrip("\n") + "\n" + master_keys.new_line()
        write_secret(path, text)
    except OSError as error:
        raise StartupError(f"the master key's file {path} cannot be written: {error.strerror}") from None
    return parse(text, str(path))


def parse(text: str, source: str) -> MasterKeys:
    """Read the text form. Raises StartupError that names the source and does not quote it."""
    try:
        return MasterKeys.from_text(text)
    except ValueError as error:
        raise StartupError(f"{source} holds no master key: {error}") from None
