"""The list of erasures: a file of certificates, which outlives the database.

In: certificates. Out: a JSON line each, on disk when `add` returns. A database that is restored from a backup
has customers that were erased since; the list tells which. It holds nothing personal.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson
import structlog

from events.customer_key import CustomerKey
from events.database import Database
from events.erasure import Certificate, all_certificates, are_erased, has_erasures, is_certificate
from events.errors import StoreUnavailable
from events.master_keys import MasterKeys
from events.signing import public_keys
from events.strict_json import shown
from service.durable import sync_directory
from service.errors import StartupError

log = structlog.get_logger(__name__)


SHOWN_LENGTH = 200
"""Code points of a line that is cut: ids come first."""


class Cut(NamedTuple):
    """A line without its end: its number, and what there is of it."""

    number: int
    shown: str


class ErasureNotListed(StoreUnavailable):
    """A customer is erased, but the list cannot be written. Asking again tries that again."""


class ErasureList:
    """A list that this process adds to, as others may."""

    def __init__(self, path: Path, customers: Iterable[CustomerKey]) -> None:
        """`customers`: those that the list has."""
        self.path = path
        self._customers = set(customers)

    async def add(self, certificates: Sequence[Certificate]) -> None:
        """Have the list tell of these. Raises ErasureNotListed when it cannot be written."""
        new = [one for one in certificates if erased_by(one) not in self._customers]
        if not new:
            return
        try:
            await asyncio.to_thread(append_lines, self.path, [orjson.dumps(one) for one in new])
        except OSError as error:
            raise ErasureNotListed(f"the list of erasures {self.path}: {error.strerror}") from error
        self._customers.update(map(erased_by, new))


async def prove_erasures(path: Path | None, url: str, master_keys: MasterKeys) -> None:
    """Refuse a database, by its URL, that has somebody back whom the list tells to be erased, as `open_list`.

    For processes that erase nobody.
    """
    async with Database.connect(url, size=1) as database:
        if path is None:
            await warn_of_no_list(database)
        else:
            await open_list(path, database, master_keys)


async def warn_of_no_list(database: Database) -> None:
    """Log that no list is kept, if anybody was erased in this database."""
    if await has_erasures(database):
        log.warning(
            "no_erasure_list",
            reason="customers were erased here, and CUSTOMERS_ERASURE_LIST is not set: after a backup is "
            "restored nothing tells that they are back",
        )


async def open_list(path: Path, database: Database, master_keys: MasterKeys) -> ErasureList:
    """The list, made complete: an erasure that was committed and not listed is added.

    Raises:
        StartupError: it cannot be used, or it tells of erasures that the database does not have. StoreError.
    """
    customers = await asyncio.to_thread(read_list, path, master_keys)
    undone = list((await are_erased(database, customers)).values()).count(False)
    if undone:
        raise StartupError(
            f"this database has {undone} of the customers back that {path} lists as erased (was a "
            f"backup restored?): run `customers erase --reapply {path}` first"
        )
    listed = ErasureList(path, customers)
    try:
        await asyncio.to_thread(append_lines, path, [])  # an unwritable list is noticed now
        async for certificates in all_certificates(database, master_keys, but=frozenset(customers)):
            await listed.add(certificates)
    except OSError as error:
        raise StartupError(f"the list of erasures {path} cannot be written: {error.strerror}") from None
    except ErasureNotListed as error:
        raise StartupError(str(error)) from None
    return listed


def read_list(path: Path, master_keys: MasterKeys) -> list[CustomerKey]:
    """The customers that the list tells of, each once, in its order; none if there is no file yet.

    A last line without its end was never acknowledged, and is passed over; `cut_line` tells of it. Raises
    StartupError: it cannot be read, or a line is no certificate signed by one of the master keys.
    """
    keys = public_keys(master_keys)
    found: dict[CustomerKey, None] = {}
    for number, line in enumerate(_lines(path)[:-1], 1):
        try:
            told = orjson.loads(line)
        except ValueError:
            told = None
        if not isinstance(told, dict) or not is_certificate(told, keys):
            raise StartupError(
                f"line {number} of the list of erasures {path} is no certificate signed by one of the master "
                "keys given (all versions that ever signed are needed)"
            )
        found[erased_by(told)] = None
    return list(found)


def cut_line(path: Path) -> Cut | None:
    """The last line if its end is missing. Raises StartupError: the list cannot be read."""
    lines = _lines(path)
    return Cut(len(lines), shown(lines[-1].decode(errors="replace"), SHOWN_LENGTH)) if lines[-1] else None


def _lines(path: Path) -> list[bytes]:
    """The lines, and after the last end of one what comes then."""
    try:
        return path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [b""]
    except OSError as error:
        raise StartupError(f"the list of erasures {path} cannot be read: {error.strerror}") from None


def erased_by(certificate: Certificate) -> CustomerKey:
    """Whom a certificate is about."""
    return CustomerKey(certificate["merchantId"], certificate["customerId"])


def append_lines(path: Path, lines: Sequence[bytes]) -> None:
    """Lines at the end of a file of mode 0600, on disk when this returns; a torn last line goes first."""
    is_new = not path.exists()
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # other processes of this machine append, too
        _drop_torn_line(file.fileno())
        file.write(b"".join(line + b"\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_directory(path.parent)


def _drop_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0 and os.pread(descriptor, 1, end - 1) != b"\n":
        end -= 1
    if end < size:
        os.ftruncate(descriptor, end)
