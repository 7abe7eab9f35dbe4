"""GET /v1/customers/{id}?version= and ?asOf=: the customer as it was then.

In: a request with one of the two. Out: what GET answered at that version, from the customer's events.
"""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import BeforeValidator, Field

from events.history import version_at
from events.loading import Wanted
from service.call import Call
from service.errors import CustomerErased, CustomerNotFound, InvalidRequest
from service.moments import Moment
from service.parameters import Expandable, whole_number, within
from service.preconditions import etag
from service.results import rendered, respond_unless_known

MOST = 2**53 - 1
"""The greatest integer that every reader of JSON reads exactly."""

Version = Annotated[int, BeforeValidator(whole_number(1, MOST)), within(1, MOST)]


class GetParameters(Expandable):
    """The parameters of GET /v1/customers/{id}."""

    version: Version | None = Field(
        None, description="Answer the customer as it was at this version: the number in its `ETag`."
    )
    as_of: Moment | None = Field(
        None,
        description="Answer the customer as it was at this moment: Unix seconds, which mean the whole "
        "second, or a time of RFC 3339, exact to the microsecond. What happened just then has happened.",
        examples=["2024-01-29T19:00:00Z", 1706554800],
    )

    @property
    def is_past(self) -> bool:
        """Whether the customer is wanted as it was."""
        return self.version is not None or self.as_of is not None


async def get_past_customer(call: Call, customer_id: str, asked: GetParameters) -> web.Response:
    """The customer as of a version or a moment. Raises InvalidRequest, CustomerNotFound, CustomerErased."""
    if asked.version is not None and asked.as_of is not None:
        raise InvalidRequest("Give version or asOf, not both", param="asOf")
    if asked.expand is not None:
        raise InvalidRequest(
            "Stats are kept as of now: leave out expand, or version and asOf", param="expand"
        )
    version = asked.version
    if asked.as_of is not None:
        version = await version_at(call.services.database, call.merchant_id, customer_id, asked.as_of)
    # Before the first version too: whether it is erased shows at any.
    wanted = Wanted(call.merchant_id, customer_id, last_version=version or 1)
    customer = (await call.services.store.load(wanted)).customer
    if customer is not None and customer.erased:
        raise CustomerErased
    if not version or customer is None or customer.version != version:
        raise CustomerNotFound
    return respond_unless_known(call, rendered(customer), etag(version))
