"""What the JSON schemas of members say beyond, or instead of, what pydantic derives from their constraints.

Every string is without NUL, which the JSON gate refuses before members are looked at, and a few rules are no
regular expression at all. Nothing here takes part in validation.
"""

from __future__ import annotations

from pydantic import Field, WithJsonSchema

from events.wire.customer_models import MOST_METADATA_KEYS
from service import idempotency
from service.email_address import MAX_EMAIL_LENGTH

MAX_METADATA_KEYS = MOST_METADATA_KEYS

NO_NUL = r"^[^\u0000]*$"
_WHITE_SPACE = r"\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

TEXT = Field(json_schema_extra={"pattern": NO_NUL})
NAME = Field(
    description="With a character that is not white space.",
    json_schema_extra={"pattern": rf"^[^\u0000]*[^\u0000{_WHITE_SPACE}][^\u0000]*$"},
)
EMAIL = Field(
    description="Kept as typed, but for white space around it. Judged by the rules of Python's "
    "email-validator: internationalised addresses pass; quoted local parts, IP literals and special-use "
    "domains (`localhost`, `.test`, …) do not.",
    json_schema_extra={"format": "email", "maxLength": MAX_EMAIL_LENGTH},
)
COUNTRY = Field(
    description="ISO 3166-1 alpha-2, stored in upper case.",
    json_schema_extra={"minLength": 2, "maxLength": 2},
)
IDEMPOTENCY_KEY = Field(
    description="Stands in place of the header's `Idempotency-Key`, for this item alone.",
    json_schema_extra={"pattern": idempotency.PATTERN},
)
METADATA = WithJsonSchema(
    {
        "type": "object",
        "title": "Metadata",  # generated clients call it so
        "description": f"At most {MAX_METADATA_KEYS} keys; null unsets a key and does not count.",
        "maxProperties": MAX_METADATA_KEYS,
        "propertyNames": {"minLength": 1, "maxLength": 40, "pattern": r"^[^\[\]\u0000]*$"},
        "additionalProperties": {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": 500, "pattern": NO_NUL},
                {"type": "null"},
            ]
        },
    }
)
