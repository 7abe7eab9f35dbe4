"""The errors that were foreseen: a command that meets one ends with one line that says what it was."""

from __future__ import annotations

from events.errors import BrokerError, MigrationError, StoreError
from service.demo.load import DemoError
from service.embedded.data_directory import DataDirectoryError
from service.embedded.nats_program import EmbeddedNatsError
from service.embedded.postgres import EmbeddedPostgresError
from service.errors import StartupError
from service.settings import SettingsError

FORESEEN = (
    BrokerError,
    DataDirectoryError,
    DemoError,
    EmbeddedNatsError,
    EmbeddedPostgresError,
    MigrationError,
    SettingsError,
    StartupError,
    StoreError,
)
