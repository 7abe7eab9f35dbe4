"""Erasing a customer: one transaction for the store and the read model, then the list, then the certificate.

In: whose customer, and who asks. Out: the certificate, the same for everyone who asks again. Used by the API
and by the command line.
"""

from __future__ import annotations

from typing import NamedTuple

from events.command import Outcome
from events.customer import Customer
from events.customer_key import CustomerKey
from events.database import Database
from events.erasure import Certificate, certificate_of
from events.errors import UNREADABLE
from events.loading import Loaded, Wanted
from events.master_keys import MasterKeys
from events.remains import remains_of
from events.sealing import DataKey, ErasedKey
from events.store import Change, EventStore
from projections.customers import forget_customer
from service import clock
from service.audit.erasure_list import ErasureList
from service.deciding import decided
from service.email_address import email_key
from service.errors import CustomerNotFound, IdempotencyKeyReused, InternalError, Unauthorized


class Request(NamedTuple):
    """Who asks, as it is recorded, and the idempotency key with what it stands for, if there is one."""

    metadata: bytes
    idempotency_key: bytes | None = None
    fingerprint: bytes | None = None


class Erasure(NamedTuple):
    """What an erasure came to."""

    certificate: Certificate
    replayed: bool
    """Whether an earlier request with the same idempotency key has been answered with it."""


class Eraser:
    """Erases customers, and keeps the list of erasures if there is to be one."""

    def __init__(
        self, store: EventStore, database: Database, master_keys: MasterKeys, listed: ErasureList | None
    ) -> None:
        self._store = store
        self._database = database
        self._master_keys = master_keys
        self._listed = listed

    async def erase(self, erased: CustomerKey, request: Request) -> Erasure:
        """Erase, unless that is done.

        Raises CustomerNotFound, IdempotencyKeyReused, Overloaded, Unauthorized (the merchant is gone),
        StoreError, and ErasureNotListed: it is erased, but the list does not say so yet.
        """
        replayed = await decided(lambda: self._erase(erased, request))
        certificate = await certificate_of(self._database, self._master_keys, erased)
        if certificate is None:
            raise InternalError
        if self._listed is not None:
            await self._listed.add([certificate])
        return Erasure(certificate, replayed)

    async def _erase(self, erased: CustomerKey, request: Request) -> bool | None:
        """Whether this very request has been answered before; if not, it is done now."""
        loaded, email = await self._load(erased, request)
        if loaded.answered is not None:
            if loaded.answered.fingerprint != request.fingerprint:
                raise IdempotencyKeyReused
            return True
        if loaded.customer is None:
            raise CustomerNotFound
        change = _change(loaded.customer, loaded.data_key, email, request)
        if not loaded.customer.pending_events and request.idempotency_key is None:
            return False
        outcome = await self._record(change)
        if outcome.kind == "fingerprint_mismatch":
            raise IdempotencyKeyReused
        if outcome.kind == "unknown_merchant":
            raise Unauthorized
        return None if outcome.kind == "version_conflict" else outcome.kind == "replayed"

    async def _load(self, erased: CustomerKey, request: Request) -> tuple[Loaded, str | None]:
        """The customer and the key of the email that it claims, whether or not its values can be opened."""
        try:
            loaded = await self._store.load(Wanted(*erased, request.idempotency_key))
        except UNREADABLE as error:
            remains = await remains_of(self._database, self._master_keys, *erased, error)
            return Loaded(remains.customer, ErasedKey(), None), remains.email_key
        # It claims its email and no other. A deleted one has let it go: whoever took it since is not touched.
        email = loaded.customer.values["email"] if loaded.customer else None
        return loaded, email and email_key(email)

    async def _record(self, change: Change) -> Outcome:
        async with self._database.transaction() as transaction:
            outcome = await self._store.append_within(transaction, change)
            if outcome.kind == "appended" and outcome.position is not None:
                await forget_customer(transaction, change.customer)
        return outcome


def _change(customer: Customer, data_key: DataKey | None, email: str | None, request: Request) -> Change:
    customer.erase(clock.now())
    return Change(
        customer,
        data_key,
        request.metadata,
        status=200,
        email_release=email,
        idempotency_key=request.idempotency_key,
        fingerprint=request.fingerprint,
    )
