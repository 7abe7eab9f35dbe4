"""The people of the examples. All are invented."""

from __future__ import annotations

from typing import Any

import orjson

from service.api_error import ApiError, MemberError
from service.errors import (
    BodyTooLarge,
    CustomerTooLarge,
    DuplicateEmail,
    Forbidden,
    InvalidCursor,
    InvalidJson,
    InvalidRequest,
    MethodNotAllowed,
    RateLimited,
    RequestTimeout,
    UnknownParameter,
    UnsupportedMediaType,
)

ID = "cus_01jd4q8w9zexampxexampxe000"
REQUEST_ID = "req_0123456789abcdef01234567"

CREATE_JOHN: dict[str, Any] = {
    "email": "john@example.com",
    "name": "John Doe",
    "phone": "+1234567890",
    "address": {
        "line1": "123 Main St",
        "line2": "Apt 4B",
        "city": "San Francisco",
        "state": "CA",
        "postalCode": "94102",
        "country": "US",
    },
    "companyName": "Acme Inc",
    "taxId": "12-3456789",
    "description": "VIP customer",
    "metadata": {"tier": "gold", "source": "referral"},
}

PATCH_JOHN: dict[str, Any] = {"phone": None, "address": {"line2": None}, "metadata": {"tier": "platinum"}}

JOHN: dict[str, Any] = {
    "id": ID,
    "object": "customer",
    **CREATE_JOHN,
    "created": 1706554800,
    "updated": 1706554800,
}

JOHN_PATCHED: dict[str, Any] = JOHN | {
    "phone": None,
    "address": CREATE_JOHN["address"] | {"line2": None},
    "metadata": {"tier": "platinum", "source": "referral"},
    "updated": 1706558400,
}

JOHN_WITH_STATS: dict[str, Any] = JOHN | {"invoiceCount": 2, "chargeCount": 3, "totalSpent": "75.00"}

TOMBSTONE: dict[str, Any] = {"id": ID, "object": "customer", "deleted": True}

LISTED_TOMBSTONE: dict[str, Any] = TOMBSTONE | {"deletedAt": 1706558400}

CERTIFICATE: dict[str, Any] = {
    "object": "erasure_certificate",
    "merchantId": "mer_01jd4q8w9zexampxexampxe001",
    "customerId": ID,
    "erasedAt": "2026-11-22T10:37:53.586050Z",
    "actor": "key_1c9d2f6a8b3e4d70",
    "requestId": "req_1c9d2f6a8b3e4d705f1e2d3c",
    "version": 3,
    "position": 17,
    "hash": "7f3a" * 16,
    "publicKey": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "signature": "2NMXmTUhHF8dWyPdHUgyL5SaFmkgX1yOrmM5tyy9P7sQIjpuKwtaMp0kj4u0RR0ASVBdVvqOc8wPGd2sTgGqCA==",
}

BATCH: dict[str, Any] = {
    "customers": [
        CREATE_JOHN,
        {"email": "jane@example.com", "name": "Jane Roe", "idempotencyKey": "import-2"},
    ]
}

DUPLICATE: dict[str, Any] = {
    "statusCode": 409,
    "message": 'Email "jane@example.com" already exists for this merchant',
    "error": "Conflict",
    "code": "duplicate_email",
    "param": "email",
    "requestId": REQUEST_ID,
}

BATCH_RESULTS: dict[str, Any] = {
    "object": "batch",
    "results": [{"status": 201, "customer": JOHN}, {"status": 409, "error": DUPLICATE}],
}

LIST: dict[str, Any] = {"object": "list", "url": "/v1/customers", "hasMore": False, "data": [JOHN]}

HISTORY: dict[str, Any] = {
    "object": "list",
    "url": f"/v1/customers/{ID}/history",
    "hasMore": False,
    "data": [
        {
            "position": 18,
            "version": 2,
            "type": "customer.updated",
            "recordedAt": "2024-01-29T20:00:00.250731Z",
            "actor": {"id": "key_0123456789abcdef", "name": "back office"},
            "requestId": REQUEST_ID,
            "correlationId": None,
            "idempotencyKeyHash": None,
            "changes": {
                "phone": {"from": "+1234567890", "to": None},
                "metadata.tier": {"from": "gold", "to": "platinum"},
            },
        }
    ],
}

JOHN_CREATED: dict[str, Any] = {
    "event": "customer.created",
    "timestamp": "2024-01-29T19:00:00.250731Z",
    "data": JOHN,
    "previousAttributes": {},
    "version": 1,
    "position": 17,
    "actor": "key_0123456789abcdef",
}

JOHN_UPDATED: dict[str, Any] = {
    "event": "customer.updated",
    "timestamp": "2024-01-29T20:00:00.250731Z",
    "data": JOHN_PATCHED,
    "previousAttributes": {
        "phone": "+1234567890",
        "address": {"line2": "Apt 4B"},
        "metadata": {"tier": "gold"},
    },
    "version": 2,
    "position": 18,
    "actor": "key_0123456789abcdef",
}

EVENTS: dict[str, Any] = {
    "object": "list",
    "url": "/v1/events",
    "hasMore": False,
    "data": [JOHN_CREATED, JOHN_UPDATED],
    "nextAfter": 18,
}

EVENTS_IN_STREAM = f"""retry: 2000

id: 17
event: customer.created
data: {orjson.dumps(JOHN_CREATED).decode()}

"""

PUBLIC_KEY = "JSgPYhjqxhXCbilLf8jKV9j8C1bhJO4OKYz6QfBA8E8="
SIGNATURE = "61bGzTPfdLOEKw57cmBpDhACFAmgs2b2SW2HSTnvuZHDlQB8Ccq47fwpPr2heta9W3BBf4vLKiIscY2OCVFFAA=="

LEDGER: dict[str, Any] = {
    "object": "ledger",
    "merchantId": "mer_01jd4q8w9zexampxexampxe001",
    "epoch": 1,
    "position": 5,
    "hash": "8765c9e2dc4cafcc2ad001fd2a0ce838bd4ed53e2d0cbfb9927bba096b52fc1d",
    "recordedAt": 1767225604000001,
    "checkpoint": {
        "merchantId": "mer_01jd4q8w9zexampxexampxe001",
        "position": 5,
        "hash": "8765c9e2dc4cafcc2ad001fd2a0ce838bd4ed53e2d0cbfb9927bba096b52fc1d",
        "merkleRoot": "6d7eb41db59f2c6d72695d3bff714f0f4eb76ee0292edd73a140874b929ad694",
        "recordedAt": 1767225604000001,
        "epoch": 1,
        "publicKey": PUBLIC_KEY,
        "signature": SIGNATURE,
    },
    "publicKey": PUBLIC_KEY,
}
"""From `tests/unit/proof_vectors.json`: its hashes and its signature fit."""

REFUSALS: dict[type[ApiError], ApiError] = {
    type(refusal): refusal
    for refusal in (
        InvalidJson("The body is not valid JSON: Expecting ',' delimiter (line 3, column 5)"),
        InvalidRequest.of_members(
            [
                MemberError("name", "required", "name is required"),
                MemberError("emial", "unknown_member", "emial is not a member of a customer"),
            ]
        ),
        UnknownParameter("limt", ("limit", "startingAfter", "endingBefore")),
        InvalidCursor("startingAfter"),
        CustomerTooLarge(40_012, 32_768, "metadata", 31_870),
        Forbidden("write"),
        MethodNotAllowed("PUT", ("GET", "HEAD", "POST")),
        RequestTimeout("body", 30),
        DuplicateEmail("john@example.com"),
        BodyTooLarge(65_536),
        UnsupportedMediaType("Send the body as application/json"),
        RateLimited(2),
    )
}
"""Of the errors that say something of their own."""
