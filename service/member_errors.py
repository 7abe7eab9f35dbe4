"""From pydantic's findings to the contract's member errors: dotted path, code, and what would be right.

In: the ValidationError of one of the input models. Out: `MemberError`s, the members' in the contract's order,
then unknown ones. Runs only when a body is refused, and repeats names, never a value.
"""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from events.strict_json import shown
from service.api_error import MOST_LISTED, MemberError

READ_ONLY = frozenset({"id", "object", "created", "updated", "invoiceCount", "chargeCount", "totalSpent"})
NEVER_NULL = frozenset({"email", "name", "customers"})

_CODES = {
    "missing": "required",
    "string_type": "wrong_type",
    "dict_type": "wrong_type",
    "list_type": "wrong_type",
    "string_too_short": "too_short",
    "string_too_long": "too_long",
    "string_pattern_mismatch": "invalid_format",
    "extra_forbidden": "unknown_member",
}
_KINDS = {
    str: "a string",
    dict: "an object",
    list: "an array",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def member_errors(error: ValidationError, of: str = "a customer") -> list[MemberError]:
    """Every member at fault of what `of` names, up to the first `MOST_LISTED`."""
    found = error.errors(include_url=False)
    return [_member_error(details, of) for details in found[:MOST_LISTED]]


def _member_error(details: ErrorDetails, of: str) -> MemberError:
    path = [str(part) for part in details["loc"]]
    # The third part is pydantic's mark that the key of a mapping is at fault, not its value.
    is_key = len(path) > 2
    param = shown(".".join(path[:2]))
    code = _code(details, path)
    fault = _fault_of_key(code, details) if is_key else _fault(code, path, details, of)
    return MemberError(param, code, f"{param} {fault}")


def _code(details: ErrorDetails, path: list[str]) -> str:
    # A type that is not in the table is one that the model itself named by the contract's code.
    code = _CODES.get(details["type"], details["type"])
    if code == "wrong_type" and details["input"] is None and path[0] in NEVER_NULL:
        return "not_nullable"
    if code == "unknown_member" and path[0] in READ_ONLY:
        return "read_only"
    return code


def _fault(code: str, path: list[str], details: ErrorDetails, of: str) -> str:
    if code in {"invalid_format", "too_long"}:
        return _fault_of_text(code, path, details)
    never_null = path[0] in NEVER_NULL
    wanted = {"dict_type": "an object", "list_type": "an array"}.get(details["type"], "a string")
    return {
        "required": "is required",
        "not_nullable": "must not be null",
        "read_only": "is set by the service; leave it out",
        "unknown_member": f"is not a member of {'an address' if len(path) > 1 else of}",
        "wrong_type": f"must be {wanted}, it is {_KINDS[type(details['input'])]}",
        "too_short": "must not be empty" if never_null else "must not be empty; null unsets it",
    }[code]


def _fault_of_text(code: str, path: list[str], details: ErrorDetails) -> str:
    if path == ["email"]:
        return f"is not an address that can be used: {details['msg'].removesuffix('.')}"
    if path in (["metadata"], ["idempotencyKey"]):
        return details["msg"]
    if path == ["customers"]:
        return (
            f"may have at most {details['ctx']['max_length']} items, it has {details['ctx']['actual_length']}"
        )
    if path == ["name"] and code == "invalid_format":
        return "must have a character that is not white space"
    if code == "too_long":
        return f"may have at most {details['ctx']['max_length']} characters, it has {len(details['input'])}"
    return 'must be two ASCII letters such as "US"'


def _fault_of_key(code: str, details: ErrorDetails) -> str:
    if code == "too_short":
        return "has an empty key"
    if code == "too_long":
        return f"has a key of {len(details['input'])} characters; the limit is {details['ctx']['max_length']}"
    return "has [ or ] in its key, which is not allowed"
