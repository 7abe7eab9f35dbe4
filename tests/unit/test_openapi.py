"""The description itself: valid, complete, and without anything that points elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import jsonschema_rs
import openapi_spec_validator
import pytest
from pydantic import Field

from service import errors
from service.api_error import ApiError
from service.openapi.document import document
from service.openapi.headers import OF_ANSWERS, OF_REQUESTS
from service.openapi.schemas import Schemas
from service.parameters import Parameters
from service.routes import OPEN_ROUTES, OPERATIONS

DOCUMENT = document(OPERATIONS, OPEN_ROUTES)
NOT_OF_OPERATIONS = {errors.NotFound, errors.MethodNotAllowed}
"""What is answered where there is no operation."""
NOT_YET = {errors.IdempotencyKeyInUse}


def operations() -> Iterator[tuple[str, Any]]:
    """Every operation, with its method and path."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def leaves(error: type[ApiError] = ApiError) -> Iterator[type[ApiError]]:
    """The error classes that are raised."""
    below = error.__subclasses__()
    if not below:
        yield error
    for kind in below:
        yield from leaves(kind)


def codes(schema: Any) -> list[str]:
    """The codes that a refusal's schema names."""
    return [code for part in schema.get("allOf", [])[1:] for code in part["properties"]["code"]["enum"]]


def media_types() -> Iterator[tuple[str, Any]]:
    """Every body that is described, with its schema and examples."""
    for name, operation in operations():
        if "requestBody" in operation:
            for media_type, content in operation["requestBody"]["content"].items():
                yield f"{name} {media_type}", content
        for status, answer in operation["responses"].items():
            for content in answer.get("content", {}).values():
                yield f"{name} {status}", content


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(DOCUMENT)


def test_every_example_is_what_its_schema_describes() -> None:
    checked = 0
    for name, content in media_types():
        validator = jsonschema_rs.validator_for(content["schema"] | {"components": DOCUMENT["components"]})
        for example in content.get("examples", {}).values():
            found = [f"{name}: {error.message}" for error in validator.iter_errors(example["value"])]
            assert not found, found
            checked += 1
    assert checked > 50


def test_every_example_of_a_schema_is_what_it_describes() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        validator = jsonschema_rs.validator_for(schema | {"components": DOCUMENT["components"]})
        assert all(validator.is_valid(example) for example in schema.get("examples", ())), name


def test_every_body_of_the_customers_operations_has_an_example() -> None:
    without = [name for name, content in media_types() if " /v1/" in name and not content.get("examples")]
    assert without == []


@pytest.mark.parametrize("error", list(leaves()))
def test_every_error_is_described_where_it_can_happen(error: type[ApiError]) -> None:
    named = {
        name
        for name, operation in operations()
        if str(error.status) in operation["responses"]
        for content in [operation["responses"][str(error.status)]["content"]["application/json"]]
        if error.code
        in content["schema"].get("allOf", [{}])[-1].get("properties", {}).get("code", {}).get("enum", ())
    }
    assert bool(named) == (error not in NOT_OF_OPERATIONS | NOT_YET)


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does() -> None:
    names = [operation["operationId"] for _, operation in operations()]
    assert len(names) == len(set(names))
    assert all(operation["summary"] and operation["description"] for _, operation in operations())


def test_every_parameter_says_what_it_means() -> None:
    for name, operation in operations():
        for parameter in operation["parameters"]:
            assert "$ref" in parameter or parameter["description"].endswith("."), (
                f"{name}: {parameter['name']}"
            )


def test_codes_can_be_left_open_for_clients_that_would_fail_at_new_ones() -> None:
    opened = json.dumps(document(OPERATIONS, OPEN_ROUTES, open_codes=True))
    assert "duplicate_email" in json.dumps(DOCUMENT["paths"])
    assert '"enum": ["duplicate_email"' not in opened
    assert "allOf" not in opened


def test_a_dictionary_is_keys_in_brackets() -> None:
    class WithLabels(Parameters):
        labels: Annotated[dict[str, str], Field(json_schema_extra={"propertyNames": {"maxLength": 9}})]

    [parameter] = Schemas((), (), open_codes=False).query(WithLabels)
    assert (parameter["name"], parameter["style"], parameter["explode"]) == ("labels", "deepObject", True)
    assert parameter["example"] == {}, "the page at /docs sends what an example has"
    validator = jsonschema_rs.validator_for(parameter["schema"])
    assert validator.is_valid({"123456789": "gold"})
    assert not validator.is_valid({"1234567890": "gold"})


def test_every_header_that_is_described_is_used() -> None:
    answers = [answer for _, operation in operations() for answer in operation["responses"].values()]
    assert {name for answer in answers for name in answer["headers"]} == set(OF_ANSWERS)
    asked = {
        parameter.get("$ref", "") for _, operation in operations() for parameter in operation["parameters"]
    }
    assert {f"#/components/parameters/{name}" for name in OF_REQUESTS} <= asked


def test_only_the_service_itself_needs_no_key() -> None:
    open_paths = {name for name, operation in operations() if operation.get("security") == []}
    assert open_paths == {f"get {route.path}" for route in OPEN_ROUTES}
    assert DOCUMENT["security"] == [{"apiKey": []}, {"bearer": []}]
