"""What is left of a customer whose events or data key do not open: enough to erase it.

In: whose customer, and why it cannot be loaded. Out: the customer without values, as of its last event, and
the email that it claims, taken from what is not sealed.
"""

from __future__ import annotations

from typing import NamedTuple

from events.customer import MEMBERS, Customer
from events.database import Database
from events.errors import StoreError
from events.mapper import from_microseconds
from events.master_keys import MasterKeys
from events.queries import REMAINS_OF


class Remains(NamedTuple):
    """A customer without values, and the folded key of its email, if it has one."""

    customer: Customer
    email_key: str | None


async def remains_of(
    database: Database, master_keys: MasterKeys, merchant_id: str, customer_id: str, error: StoreError
) -> Remains:
    """Of a customer that failed to load with this error.

    Raises the error itself where it is not the customer that is at fault but we, who lack a version of the
    master key; StoreUnavailable.
    """
    (row,) = await database.fetch(REMAINS_OF, merchant_id, customer_id)
    if row["wrapping_version"] not in {None, *master_keys.versions}:
        raise error
    customer = Customer.restore(
        customer_id,
        row["version"],
        merchant_id,
        dict.fromkeys(MEMBERS),
        created_on=from_microseconds(row["created_at"]),
        modified_on=from_microseconds(row["recorded_at"]),
        deleted=row["topic"] == Customer.Deleted.TOPIC,
    )
    if row["topic"] == Customer.Erased.TOPIC:
        customer.forget()
    return Remains(customer, row["email_key"])
