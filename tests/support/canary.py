"""A person whose values are easy to find, and the search for them however they are encoded.

In: an operator, who may read every table, and bytes of logs and files. Out: where the values can be read.
"""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tests.support.api import Operator

PERSON: dict[str, Any] = {
    "email": "Canary.Mailbox@personal-canary.example.com",
    "name": "Canaria Namesworth",
    "phone": "+4915199887766",
    "address": {
        "line1": "17 Canary Wharf Lane",
        "line2": "Canaryfloor 9",
        "city": "Canaryville",
        "state": "Canarystate",
        "postalCode": "CN-778899",
        "country": "DE",
    },
    "companyName": "Canary Holdings",
    "taxId": "CANARY-112233",
    "description": "Sings like a canary, née Kanarienvögelchen",
    "metadata": {"canarykey": "canaryvalue"},
}
CHANGED: dict[str, Any] = {
    "email": "moved@second-canary.example.com",
    "name": "Finchley Namesworth",
    "phone": "+4915100112233",
    "address": {"line1": "99 Finch Passage", "postalCode": "FN-665544"},
    "companyName": None,
    "metadata": {"finchkey": "finchvalue", "canarykey": None},
}
Columns = dict[tuple[str, str], list[bytes]]
"""Every value of every column, by table and column."""


async def columns(operator: Operator) -> Columns:
    """Everything in every table of ours."""
    tables = await operator.select(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    found: Columns = defaultdict(list)
    for (table,) in tables:
        for row in await operator.select(f"SELECT * FROM {table}"):
            for column, value in row.items():
                found[table, column].append(value if isinstance(value, bytes) else str(value).encode())
    return found


def texts(value: Any) -> Iterable[str]:
    """The personal texts in a member's value, metadata's keys too; two letters of a country are none."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from texts(part)
            if key.endswith("key"):
                yield key
    elif value is not None and len(value) > 2:
        yield value


def spellings(value: bytes) -> list[bytes]:
    """A value as it is, folded, escaped, in hex, in UTF-16, and inside of base64 wherever it may begin."""
    plain = [value, value.lower()]
    encoded = [value.hex().encode()]
    try:
        text = value.decode()
        plain += [text.encode("utf-16-le"), text.encode("unicode_escape")]
    except UnicodeDecodeError:
        pass  # a raw key
    for spelling in plain[:2]:
        for offset in range(3):
            inner = b64encode(bytes(offset) + spelling)[4 if offset else 0 : -4]
            encoded += [inner, inner.translate(bytes.maketrans(b"+/", b"-_"))]
    return plain + encoded


def found_in(values: Iterable[bytes], wanted: Iterable[bytes]) -> list[bytes]:
    """Those of the wanted values that can be read in these."""
    whole = b"\n".join(values)
    texts_found = (whole, whole.lower())
    return [
        value
        for value in wanted
        if any(spelling in text for spelling in spellings(value) for text in texts_found)
    ]


def readable(tables: Columns, wanted: Iterable[bytes]) -> set[tuple[str, str]]:
    """The columns in which any of the wanted values can be read."""
    return {column for column, values in tables.items() if found_in(values, wanted)}
