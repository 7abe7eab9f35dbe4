"""Bodies of POST and PATCH: what is taken, how it is normalised, which code each fault has."""

from __future__ import annotations

from typing import Any

import pytest

from service.api_error import MOST_LISTED, MemberError
from service.customer_input import Patch, Values, check_size, new_values, parse_create, parse_patch
from service.errors import CustomerTooLarge, InvalidRequest
from service.member_errors import READ_ONLY

MEMBERS = ["email", "name", "phone", "address", "companyName", "taxId", "description", "metadata"]
WHOLE = {
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
LEAST = {"email": "john@example.com", "name": "John Doe"}


def created(members: Patch) -> Values:
    return new_values(parse_create(members))


def faults_of_create(**members: Any) -> list[MemberError]:
    with pytest.raises(InvalidRequest) as refused:
        parse_create(LEAST | members)
    return refused.value.errors


def codes_of_create(**members: Any) -> list[tuple[str, str]]:
    return [(fault.param, fault.code) for fault in faults_of_create(**members)]


def codes_of_patch(members: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as refused:
        parse_patch(members)
    return [(fault.param, fault.code) for fault in refused.value.errors]


def test_a_whole_customer_comes_out_as_it_went_in_in_the_contracts_order() -> None:
    values = created(dict(reversed(WHOLE.items())))
    assert values == WHOLE
    assert list(values) == MEMBERS
    assert list(values["address"]) == ["line1", "line2", "city", "state", "postalCode", "country"]


def test_email_and_name_are_enough() -> None:
    assert created(LEAST) == LEAST | dict.fromkeys(MEMBERS[2:])


def test_null_means_unset_when_creating() -> None:
    assert created(LEAST | dict.fromkeys(MEMBERS[2:])) == created(LEAST)


@pytest.mark.parametrize("address", [{}, {"line1": None}, dict.fromkeys(["line1", "city", "country"])])
def test_an_address_of_nulls_is_unset(address: dict[str, None]) -> None:
    assert created(LEAST | {"address": address})["address"] is None


def test_an_address_has_all_six_members_once_one_is_set() -> None:
    assert created(LEAST | {"address": {"city": "Ulm"}})["address"] == {
        "line1": None,
        "line2": None,
        "city": "Ulm",
        "state": None,
        "postalCode": None,
        "country": None,
    }


@pytest.mark.parametrize("metadata", [{}, {"tier": None}])
def test_empty_metadata_is_unset(metadata: dict[str, None]) -> None:
    assert created(LEAST | {"metadata": metadata})["metadata"] is None


def test_null_in_metadata_means_no_such_key() -> None:
    assert created(LEAST | {"metadata": {"a": None, "b": "c"}})["metadata"] == {"b": "c"}


def test_strings_stay_as_sent() -> None:
    values = created(LEAST | {"name": "  John  ", "phone": " 1 ", "metadata": {" k ": " v "}})
    assert (values["name"], values["phone"], values["metadata"]) == ("  John  ", " 1 ", {" k ": " v "})


def test_the_email_is_trimmed_and_kept_as_typed() -> None:
    assert created(LEAST | {"email": "  John@Example.COM "})["email"] == "John@Example.COM"


def test_the_country_is_stored_in_upper_case() -> None:
    assert created(LEAST | {"address": {"country": "de"}})["address"]["country"] == "DE"


@pytest.mark.parametrize("member", ["email", "name"])
def test_email_and_name_are_required_and_never_null(member: str) -> None:
    without = {name: value for name, value in LEAST.items() if name != member}
    with pytest.raises(InvalidRequest) as refused:
        parse_create(without)
    assert refused.value.errors == [MemberError(member, "required", f"{member} is required")]
    assert codes_of_create(**{member: None}) == [(member, "not_nullable")]
    assert codes_of_patch({member: None}) == [(member, "not_nullable")]


@pytest.mark.parametrize("member", ["email", "name", "phone", "companyName", "taxId", "description"])
@pytest.mark.parametrize("value", [1, 1.5, True, [], {}])
def test_a_value_of_another_type_is_never_coerced(member: str, value: object) -> None:
    assert codes_of_create(**{member: value}) == [(member, "wrong_type")]
    assert codes_of_patch({member: value}) == [(member, "wrong_type")]


@pytest.mark.parametrize("value", [1, True, "gold", {"a": "b"}, ["x"]])
def test_a_metadata_value_is_a_string_or_null(value: object) -> None:
    expected = [] if isinstance(value, str) else [("metadata.tier", "wrong_type")]
    if expected:
        assert codes_of_create(metadata={"tier": value}) == expected
    else:
        assert created(LEAST | {"metadata": {"tier": value}})["metadata"] == {"tier": value}


@pytest.mark.parametrize("member", ["address", "metadata"])
@pytest.mark.parametrize("value", ["x", 1, [], True])
def test_address_and_metadata_are_objects(member: str, value: object) -> None:
    assert codes_of_create(**{member: value}) == [(member, "wrong_type")]


@pytest.mark.parametrize("member", ["email", "name", "phone", "companyName", "taxId", "description"])
def test_an_empty_string_is_refused(member: str) -> None:
    assert codes_of_create(**{member: ""}) == [(member, "too_short")]
    assert codes_of_patch({member: ""}) == [(member, "too_short")]


@pytest.mark.parametrize("member", ["line1", "line2", "city", "state", "postalCode", "country"])
def test_an_empty_string_is_refused_in_an_address_too(member: str) -> None:
    assert codes_of_create(address={member: ""}) == [(f"address.{member}", "too_short")]


def test_an_empty_string_is_refused_in_metadata_too() -> None:
    assert codes_of_create(metadata={"tier": ""}) == [("metadata.tier", "too_short")]
    assert codes_of_create(metadata={"": "x"}) == [("metadata.", "too_short")]


def test_a_name_of_white_space_is_refused() -> None:
    assert codes_of_create(name=" \u00a0\t") == [("name", "invalid_format")]
    assert codes_of_patch({"name": " "}) == [("name", "invalid_format")]


@pytest.mark.parametrize(
    ("member", "longest"),
    [("name", 256), ("phone", 32), ("companyName", 256), ("taxId", 64), ("description", 5000)],
)
def test_lengths_are_counted_in_code_points(member: str, longest: int) -> None:
    fitting = "😀" * longest
    assert created(LEAST | {member: fitting})[member] == fitting
    assert codes_of_create(**{member: fitting + "x"}) == [(member, "too_long")]


def test_lengths_are_limited_in_addresses_and_metadata() -> None:
    fitting = {"address": {"line1": "é" * 256}, "metadata": {"ü" * 40: "ß" * 500}}
    assert created(LEAST | fitting)["metadata"] == fitting["metadata"]
    assert codes_of_create(address={"line1": "é" * 257}) == [("address.line1", "too_long")]
    assert codes_of_create(metadata={"k": "v" * 501}) == [("metadata.k", "too_long")]
    assert codes_of_create(metadata={"k" * 41: "v"}) == [("metadata." + "k" * 41, "too_long")]


def test_an_email_may_have_254_characters() -> None:
    longest = "a" * 242 + "@example.com"
    assert created(LEAST | {"email": longest})["email"] == longest
    assert codes_of_create(email="a" + longest) == [("email", "too_long")]


@pytest.mark.parametrize("country", ["USA", "U", "U1", "Ü1", "ÜS", "\uff35\uff33", "U ", "US\n", "  "])
def test_a_country_is_two_ascii_letters(country: str) -> None:
    assert codes_of_create(address={"country": country}) == [("address.country", "invalid_format")]


@pytest.mark.parametrize("key", ["a[b", "a]", "[key]", "["])
def test_a_metadata_key_has_no_brackets(key: str) -> None:
    assert codes_of_create(metadata={key: "x"}) == [(f"metadata.{key}", "invalid_format")]


def test_metadata_has_at_most_50_keys() -> None:
    fifty = {f"k{number}": "v" for number in range(50)}
    assert created(LEAST | {"metadata": fifty | {"unset": None}})["metadata"] == fifty
    assert codes_of_create(metadata=fifty | {"k50": "v"}) == [("metadata", "too_long")]


@pytest.mark.parametrize("member", sorted(READ_ONLY))
def test_what_the_service_sets_is_read_only(member: str) -> None:
    assert codes_of_create(**{member: "x"}) == [(member, "read_only")]
    assert codes_of_patch({member: None}) == [(member, "read_only")]


@pytest.mark.parametrize("member", ["merchantId", "deleted", "company_name", "Email", "__proto__", "x\ny"])
def test_an_unknown_member_is_refused_by_name(member: str) -> None:
    shown = member.replace("\n", "\N{REPLACEMENT CHARACTER}")
    assert codes_of_create(**{member: "x"}) == [(shown, "unknown_member")]
    assert codes_of_patch({member: None}) == [(shown, "unknown_member")]


def test_an_unknown_member_of_the_address_is_refused_by_its_path() -> None:
    assert codes_of_create(address={"zip": "1", "id": "2"}) == [
        ("address.zip", "unknown_member"),
        ("address.id", "unknown_member"),
    ]


def test_every_fault_is_listed_in_the_contracts_order() -> None:
    faults = codes_of_create(
        created=1,
        metadata={"tier": 1},
        address={"country": "USA", "city": ""},
        name=None,
        email="john",
    )
    assert faults == [
        ("email", "invalid_format"),
        ("name", "not_nullable"),
        ("address.city", "too_short"),
        ("address.country", "invalid_format"),
        ("metadata.tier", "wrong_type"),
        ("created", "read_only"),
    ]


def test_one_fault_alone_is_listed_too() -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_create(LEAST | {"phone": 1})
    error = refused.value
    assert (error.status, error.code, error.param) == (400, "invalid_request", "phone")
    assert error.message == error.errors[0].message == "phone must be a string, it is a number"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"email": "john"}, "email is not an address that can be used: An email address must have an @-sign"),
        (
            {"email": "a" * 300 + "@example.com"},
            "email is not an address that can be used: it has 312 characters, at most 254",
        ),
        ({"name": ""}, "name must not be empty"),
        ({"phone": ""}, "phone must not be empty; null unsets it"),
        ({"phone": "1" * 33}, "phone may have at most 32 characters, it has 33"),
        ({"address": "Ulm"}, "address must be an object, it is a string"),
        ({"address": {"country": "USA"}}, 'address.country must be two ASCII letters such as "US"'),
        ({"address": {"zip": "1"}}, "address.zip is not a member of an address"),
        ({"metadata": {"k" * 41: "v"}}, "has a key of 41 characters; the limit is 40"),
        ({"metadata": {"a[0]": "v"}}, "metadata.a[0] has [ or ] in its key"),
        ({"metadata": {"": "v"}}, "metadata. has an empty key"),
        ({"metadata": {"a": True}}, "metadata.a must be a string, it is a boolean"),
        ({"id": "cus_1"}, "id is set by the service; leave it out"),
        ({"nickname": "J"}, "nickname is not a member of a customer"),
    ],
)
def test_the_message_says_what_is_wrong_and_what_would_be_right(
    members: dict[str, Any], message: str
) -> None:
    assert message in faults_of_create(**members)[0].message


def test_ten_thousand_faults_do_not_make_an_endless_answer() -> None:
    faults = faults_of_create(metadata={f"[{number}]": 1 for number in range(10_000)})
    assert len(faults) == MOST_LISTED


def test_a_patch_has_the_members_given_and_no_other() -> None:
    patch = {"phone": None, "address": {"city": None, "country": "de"}, "metadata": {"a": None, "b": "c"}}
    assert parse_patch(patch) == patch | {"address": {"city": None, "country": "DE"}}
    assert parse_patch({}) == {}
    assert parse_patch({"email": " A@example.com "}) == {"email": "A@example.com"}


def test_parsing_changes_nothing_in_what_it_is_given() -> None:
    members = {"email": " a@example.com", "name": "A", "address": {"country": "de"}, "metadata": {"a": None}}
    parse_create(members)
    parse_patch(members)
    assert members == {
        "email": " a@example.com",
        "name": "A",
        "address": {"country": "de"},
        "metadata": {"a": None},
    }


def test_a_customer_has_at_most_32_kib_of_json() -> None:
    def rendered(size: int) -> bytes:
        return b'{"name":"J","metadata":{"k":"%b"}}' % (b"x" * (size - 32))

    assert len(rendered(100)) == 100
    check_size(rendered(32 * 1024))
    with pytest.raises(CustomerTooLarge) as refused:
        check_size(rendered(32 * 1024 + 1))
    assert refused.value.param == "metadata"
    assert refused.value.message == (
        "The customer would be 32769 bytes of JSON; at most 32768 are allowed (metadata alone has 32745)"
    )


def test_a_blank_name_and_too_many_metadata_keys_are_named_beside_other_faults() -> None:
    metadata = {f"k{number}": "v" for number in range(51)}
    with pytest.raises(InvalidRequest) as refused:
        parse_create({"email": "bad", "name": " ", "metadata": metadata})
    found = [(error.param, error.code) for error in refused.value.errors]
    assert found == [("email", "invalid_format"), ("name", "invalid_format"), ("metadata", "too_long")]


def test_a_patch_may_clear_any_number_of_metadata_keys() -> None:
    parse_patch({"metadata": {f"k{number}": None for number in range(200)}})
