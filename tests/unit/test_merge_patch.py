"""The merge patch (RFC 7396) as a function of values and patch: examples and laws."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.customer_input import Patch, Values, apply_patch, new_values, parse_create, parse_patch
from service.errors import InvalidRequest

BEFORE = new_values(
    {
        "email": "john@example.com",
        "name": "John Doe",
        "phone": "+1234567890",
        "address": {"line1": "123 Main St", "country": "US"},
        "metadata": {"tier": "gold", "source": "referral"},
    }
)

texts = st.text("abc", min_size=1, max_size=3)
optional = st.none() | texts
emails = st.sampled_from(["a@example.com", "B@example.com", "c@example.org"])
addresses = st.none() | st.fixed_dictionaries({}, optional={"line1": optional, "city": optional})
metadata = st.none() | st.dictionaries(st.sampled_from("abcd"), optional, max_size=4)
members = {"phone": optional, "address": addresses, "companyName": optional, "metadata": metadata}
creates = st.fixed_dictionaries({"email": emails, "name": texts}, optional=members)
patches = st.fixed_dictionaries({}, optional={"email": emails, "name": texts, **members})


def merged(target: object, patch: object) -> Any:
    """The pseudo-code of RFC 7396 §2, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def without_unset(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    kept = {name: without_unset(value) for name, value in values.items() if value is not None}
    return {name: value for name, value in kept.items() if value != {}}


@given(creates.map(parse_create).map(new_values), patches.map(parse_patch))
def test_it_is_the_rfcs_merge_but_that_empty_means_unset(values: Values, patch: Patch) -> None:
    expected = merged(without_unset(values), patch)
    assert without_unset(apply_patch(values, patch)) == without_unset(expected)


@given(creates.map(parse_create).map(new_values), patches.map(parse_patch))
def test_applying_a_patch_twice_is_applying_it_once(values: Values, patch: Patch) -> None:
    once = apply_patch(values, patch)
    assert apply_patch(once, patch) == once


@given(creates.map(parse_create).map(new_values), patches.map(parse_patch))
def test_what_a_patch_does_not_name_stays(values: Values, patch: Patch) -> None:
    after = apply_patch(values, patch)
    assert {name: after[name] for name in after if name not in patch} == {
        name: values[name] for name in values if name not in patch
    }


@given(creates.map(parse_create).map(new_values), patches.map(parse_patch))
def test_the_result_is_as_a_create_would_have_made_it(values: Values, patch: Patch) -> None:
    after = apply_patch(values, patch)
    assert parse_create(after) == after
    assert list(after) == list(values)


@given(creates.map(parse_create).map(new_values), patches.map(parse_patch))
def test_neither_argument_is_changed(values: Values, patch: Patch) -> None:
    copies = deepcopy((values, patch))
    apply_patch(values, patch)
    assert (values, patch) == copies


@given(creates.map(parse_create).map(new_values))
def test_a_customers_own_values_as_a_patch_change_nothing(values: Values) -> None:
    assert apply_patch(values, parse_patch(values)) == values


@pytest.mark.parametrize("patch", [{}, {"metadata": {}}, {"address": {}}, {"metadata": {"other": None}}])
def test_a_patch_that_says_nothing_changes_nothing(patch: dict[str, Any]) -> None:
    assert apply_patch(BEFORE, parse_patch(patch)) == BEFORE


def test_null_clears() -> None:
    after = apply_patch(BEFORE, parse_patch({"phone": None, "address": None, "metadata": None}))
    assert (after["phone"], after["address"], after["metadata"]) == (None, None, None)


def test_address_and_metadata_merge_by_key() -> None:
    patch = parse_patch({"address": {"city": "Ulm", "line1": None}, "metadata": {"tier": "tin", "x": "y"}})
    after = apply_patch(BEFORE, patch)
    assert after["address"] == {
        "line1": None,
        "line2": None,
        "city": "Ulm",
        "state": None,
        "postalCode": None,
        "country": "US",
    }
    assert after["metadata"] == {"tier": "tin", "source": "referral", "x": "y"}


def test_removing_the_last_key_leaves_metadata_unset() -> None:
    after = apply_patch(BEFORE, parse_patch({"metadata": {"tier": None, "source": None}}))
    assert after["metadata"] is None


def test_clearing_the_last_member_leaves_the_address_unset() -> None:
    after = apply_patch(BEFORE, parse_patch({"address": {"line1": None, "country": None}}))
    assert after["address"] is None


def test_metadata_may_not_grow_beyond_50_keys() -> None:
    after = apply_patch(BEFORE, parse_patch({"metadata": {f"k{number}": "v" for number in range(48)}}))
    assert len(after["metadata"]) == 50
    assert apply_patch(after, parse_patch({"metadata": {"k0": None, "new": "v"}}))["metadata"]["new"] == "v"
    with pytest.raises(InvalidRequest) as refused:
        apply_patch(after, parse_patch({"metadata": {"new": "v"}}))
    assert [(fault.param, fault.code) for fault in refused.value.errors] == [("metadata", "too_long")]
