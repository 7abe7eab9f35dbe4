"""What schemathesis has to be told: which email addresses there are, and how to make long strings fast."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import strategies as st

from service.email_address import check_email
from service.input_schemas import NO_NUL


def is_taken(text: str) -> bool:
    """Whether the service takes this address."""
    try:
        check_email(text)
    except ValueError:
        return False
    return True


schemathesis.openapi.format("email", st.emails().filter(is_taken))


@schemathesis.hook
def before_load_schema(_: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Say some rules in another way: drawing strings that keep them takes half a minute.

    "Without NUL" is left to `allow-x00`, and how long an address is to how addresses are made.
    """
    _simplify(raw_schema["components"]["schemas"])


def _simplify(part: Any) -> None:
    if isinstance(part, dict):
        if part.get("pattern") == NO_NUL:
            del part["pattern"]
        if part.get("format") == "email":
            part.pop("minLength", None)
            part.pop("maxLength", None)
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            _simplify(inner)
