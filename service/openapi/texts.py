"""What clients are told about each operation: names, sentences, examples, and how it succeeds."""

from __future__ import annotations

from service.body import EVENT_STREAM
from service.errors import CustomerErased, CustomerTooLarge, DuplicateEmail, InvalidCursor, ProjectionLagging
from service.openapi.answers import (
    Batch,
    Customer,
    CustomerList,
    ErasureCertificate,
    EventList,
    Health,
    History,
    Ledger,
    Ready,
    Tombstone,
    Unready,
)
from service.openapi.examples import (
    BATCH,
    BATCH_RESULTS,
    CERTIFICATE,
    CREATE_JOHN,
    EVENTS,
    EVENTS_IN_STREAM,
    HISTORY,
    JOHN,
    JOHN_PATCHED,
    JOHN_WITH_STATS,
    LEDGER,
    LIST,
    PATCH_JOHN,
    TOMBSTONE,
)
from service.operation import About, Answer

TRACING = ("X-Correlation-Id", "traceparent")
PAGE_HEADERS = ("Cache-Control", "ETag")
CHANGE_HEADERS = ("ETag", "Idempotent-Replayed")

CREATE_CUSTOMER = About(
    "createCustomer",
    "Create a customer",
    "`email` and `name` are required; of the others null is the same as absent. An email address is unique "
    "per merchant, whatever its spelling: of parallel creates of one address exactly one succeeds. With an "
    "`Idempotency-Key` a retry makes no second customer.",
    (
        Answer(201, "The new customer.", Customer, ("Location", *CHANGE_HEADERS), {"john": JOHN}),
        Answer(
            200,
            "With `onDuplicate`: the customer that has the email.",
            Customer,
            CHANGE_HEADERS,
            {"john": JOHN},
        ),
    ),
    headers=("Idempotency-Key", *TRACING),
    errors=(CustomerTooLarge, DuplicateEmail),
    examples={"john": CREATE_JOHN, "least": {"email": "john@example.com", "name": "John Doe"}},
    links=("getCustomer", "updateCustomer", "deleteCustomer", "listCustomers"),
)

CREATE_CUSTOMERS = About(
    "createCustomers",
    "Create many customers",
    "Each item succeeds or fails by itself, with what POST /v1/customers would have answered; the answer is "
    "200 even if all fail, for whatever reason. An `Idempotency-Key` K stands for K/0, K/1, …, in the items' "
    "order, and items that failed run again; an item may carry an `idempotencyKey` of its own. These keys "
    "are apart from those of single creates. `onDuplicate` applies to each item.",
    (Answer(200, "What became of each item, in order.", Batch, examples={"two": BATCH_RESULTS}),),
    headers=("Idempotency-Key", *TRACING),
    examples={"two": BATCH},
)

LIST_CUSTOMERS = About(
    "listCustomers",
    "List customers",
    "Newest first, in pages. To go on, pass the last id of a page as `startingAfter`; to go back, its first "
    "as `endingBefore`, or follow `Link`. Filters are exact, but for `q`, and are combined with AND. A list "
    "may be a moment behind; the filter `email` always sees every change that was answered, and so do all "
    "others with `fresh=true`.",
    (Answer(200, "A page.", CustomerList, ("Link",), {"john": LIST}),),
    errors=(InvalidCursor, ProjectionLagging),
)

GET_CUSTOMER = About(
    "getCustomer",
    "Get a customer",
    "Always sees every change that was answered. The id of a deleted customer answers with its tombstone. "
    "With `version` or `asOf` it answers what it answered then, with that version's `ETag`; a customer that "
    "was not there yet, or never came to that version, is not found; the past of an erased one is gone.",
    (
        Answer(
            200,
            "The customer, or its tombstone.",
            Customer | Tombstone,
            ("ETag",),
            {"john": JOHN, "withStats": JOHN_WITH_STATS, "tombstone": TOMBSTONE},
        ),
        Answer(304, "The client has this version already.", headers=("ETag",)),
    ),
    headers=("If-None-Match",),
    errors=(CustomerErased,),
    links=("getCustomer", "getCustomerHistory", "updateCustomer", "deleteCustomer"),
)

GET_HISTORY = About(
    "getCustomerHistory",
    "Get a customer's history",
    "Every change: when, by which key and request, and what each member was before and after. To go on, pass "
    "the last version of a page as `startingAfter`. Also of deleted customers; of erased ones it tells which "
    "members changed, and `[erased]` in place of their values.",
    (Answer(200, "A page.", History, ("Link",), {"john": HISTORY}),),
)

UPDATE_CUSTOMER = About(
    "updateCustomer",
    "Update a customer",
    "A JSON merge patch (RFC 7396): what is absent stays, null clears, `address` and `metadata` are merged "
    "by key. A deleted customer cannot be patched: 404. A patch that changes nothing moves neither `updated` "
    "nor the version. Without `If-Match`, "
    "concurrent patches are applied one after another.",
    (Answer(200, "The customer as it is now.", Customer, CHANGE_HEADERS, {"john": JOHN_PATCHED}),),
    headers=("Idempotency-Key", "If-Match", *TRACING),
    errors=(CustomerTooLarge, DuplicateEmail),
    examples={"john": PATCH_JOHN},
    links=("getCustomer", "deleteCustomer"),
)

DELETE_CUSTOMER = About(
    "deleteCustomer",
    "Delete a customer",
    "Frees the email address. The id answers with the tombstone from then on, also to a second delete, which "
    "no `If-Match` stops. What was stored stays in the history; erasing is another operation.",
    (Answer(200, "The tombstone.", Tombstone, CHANGE_HEADERS, {"tombstone": TOMBSTONE}),),
    headers=("Idempotency-Key", "If-Match", *TRACING),
    links=("getCustomer",),
)

ERASE_CUSTOMER = About(
    "eraseCustomer",
    "Erase a customer",
    "Forgets the person for good, whether the customer is live or deleted: the key to its personal values is "
    "destroyed, for every event that there ever was, and nobody can bring it back. Its id answers with the "
    "tombstone; what was answered under an `Idempotency-Key` before is 410 `customer_erased`. The answer is "
    "a signed certificate, the same however often it is asked for. Takes no body, and a key with the scope "
    "`erase`.",
    (
        Answer(
            200,
            "The certificate.",
            ErasureCertificate,
            ("Idempotent-Replayed",),
            {"certificate": CERTIFICATE},
        ),
    ),
    headers=("Idempotency-Key", *TRACING),
    links=("getCustomer",),
)

GET_LEDGER = About(
    "getLedger",
    "Get the ledger's head",
    "Every change of a customer is an event in its merchant's ledger, a chain of hashes without gaps. Here "
    "is how far it goes, and its last checkpoint: a signed statement that shows later, kept elsewhere, "
    "whether anything before it was changed or removed.",
    (Answer(200, "The head, and what was signed last.", Ledger, examples={"ledger": LEDGER}),),
    tag="audit",
)

LIST_EVENTS = About(
    "listEvents",
    "List events",
    "Everything that happened to the merchant's customers, oldest first, without gaps, however long ago: "
    "what the service publishes over NATS, as HTTP. To follow it, pass `nextAfter` of each answer as "
    "`after` of the next, and `wait`, so that the answer comes as soon as there is an event. Or ask with "
    "`Accept: text/event-stream` for Server-Sent Events: `id` is the position, `event` the name, `data` "
    "the object; whoever is connected again sends `Last-Event-ID`. Of customers that were erased since, "
    "events have ids alone. When `Ledger-Epoch` changes, the history was restored to an earlier state: "
    "begin anew.",
    (
        Answer(
            200,
            "A page, or a stream.",
            EventList,
            ("Link", "Ledger-Epoch"),
            {"john": EVENTS},
            also={EVENT_STREAM: EVENTS_IN_STREAM},
        ),
    ),
    headers=("Last-Event-ID",),
    errors=(InvalidCursor,),
)

HEALTHZ = About(
    "getHealth",
    "Whether the process lives",
    "For whoever restarts processes.",
    (Answer(200, "It does.", Health),),
    tag="service",
)

READYZ = About(
    "getReadiness",
    "Whether the process takes requests",
    "For load balancers.",
    (
        Answer(200, "It does.", Ready),
        Answer(
            503, "It does not: it is stopping, or the store cannot be reached.", Unready, ("Retry-After",)
        ),
    ),
    tag="service",
)

OPENAPI = About(
    "getOpenApi",
    "This document",
    "OpenAPI 3.1.",
    (
        Answer(200, "The document.", dict[str, object], PAGE_HEADERS),
        Answer(304, "The client has this version already.", headers=PAGE_HEADERS),
    ),
    tag="service",
    headers=("If-None-Match",),
)

ASYNCAPI = About(
    "getAsyncApi",
    "The messages over NATS",
    "AsyncAPI 3.0: all that subscribers to customer events, and publishers of charges and invoices, need.",
    (
        Answer(200, "The document.", dict[str, object], PAGE_HEADERS),
        Answer(304, "The client has this version already.", headers=PAGE_HEADERS),
    ),
    tag="service",
    headers=("If-None-Match",),
)

DOCS = About(
    "getDocs",
    "This document as a page",
    "For a browser; it loads nothing from elsewhere.",
    (
        Answer(200, "The page.", str, (*PAGE_HEADERS, "Content-Security-Policy"), media_type="text/html"),
        Answer(304, "The client has this version already.", headers=PAGE_HEADERS),
    ),
    tag="service",
    headers=("If-None-Match",),
)
