"""CloudEvents 1.0 as they arrive over NATS: headers and content in, attributes and data out.

By the NATS Protocol Binding for CloudEvents 1.0.3 (working draft of July 2026; 1.0.2 knows structured mode
alone): a content type that begins with `application/cloudevents` is structured, and JSON its only format;
else headers with `ce-` are attributes (binary mode), percent-encoded, their names in any case. Only
`ce-specversion` makes a message one: somebody's lone `ce-id` does not.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from events.strict_json import NotReadable
from projections.billing_terms import STRUCTURED

_FAMILY = "application/cloudevents"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


class BadCloudEvent(Exception):
    """It is none; `str(error)` names the attribute at fault."""


def is_structured(headers: Mapping[str, str]) -> bool:
    """Whether attributes are in the body; headers' names are in lower case. Raises BadCloudEvent."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type.startswith(_FAMILY):
        return False
    if media_type not in {_FAMILY, STRUCTURED}:
        raise BadCloudEvent(f"Content-Type must be {STRUCTURED}, the only format of CloudEvents that is read")
    return True


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether attributes are headers and the data is the body."""
    return "ce-specversion" in headers


def attributes_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The attributes in the headers, by their names without `ce-`. Raises BadCloudEvent."""
    return {
        name[3:]: _decoded(name, value) if "%" in value or '"' in value else value
        for name, value in headers.items()
        if name.startswith("ce-")
    }


def data_of(content: Mapping[str, Any], read: Callable[[bytes], dict[str, Any]]) -> Any:
    """The data of a structured event: `data`, or what `read` makes of `data_base64`. Raises BadCloudEvent."""
    encoded = content.get("data_base64")
    if encoded is None:
        return content.get("data")
    if content.get("data") is not None:
        raise BadCloudEvent("data_base64 must not be given beside data")
    if type(encoded) is not str:
        raise BadCloudEvent("data_base64 must be a string")
    try:
        return read(b64decode(encoded, validate=True))
    except ValueError:
        raise BadCloudEvent("data_base64 must be base64 (RFC 4648, 4)") from None
    except NotReadable as error:
        raise BadCloudEvent(f"of what data_base64 holds, {error}") from None


def _decoded(name: str, value: str) -> str:
    quoted = _QUOTED.fullmatch(value)
    if quoted:
        value = _ESCAPE.sub(r"\1", quoted[1])
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise BadCloudEvent(f"{name} is percent-encoded, and not in UTF-8") from None
