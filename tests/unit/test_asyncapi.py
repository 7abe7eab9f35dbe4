"""The AsyncAPI document: complete, its examples what it describes, and each of them one message alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest

from events.customer import Customer
from events.wire.message import event_name
from projections.billing_message import read_message
from projections.billing_terms import CHARGE_EVENTS, INVOICE_EVENTS
from projections.delivery import Delivery
from service.asyncapi.document import document
from tests.support.wire import check_message

DOCUMENT = document()
MESSAGES = DOCUMENT["components"]["messages"]
EXAMPLES = [(name, example) for name, message in MESSAGES.items() for example in message["examples"]]


def resolved(reference: str) -> Any:
    found: Any = DOCUMENT
    for key in reference.removeprefix("#/").split("/"):
        found = found[key]
    return found


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def faults(schema: Any, value: Any) -> list[str]:
    validator = jsonschema_rs.validator_for(schema | {"components": DOCUMENT["components"]})
    return [error.message for error in validator.iter_errors(value)]


def is_message(name: str, content_type: str, example: Any) -> bool:
    """Whether an example is this message, as far as the document says."""
    message = MESSAGES[name]
    return (
        message["contentType"] == content_type
        and not faults(message["payload"], example["payload"])
        and not faults(message.get("headers", {}), example["headers"])
    )


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    found = set(references(DOCUMENT))
    assert all(resolved(reference) for reference in found)
    assert {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]} <= found
    assert {f"#/components/messages/{name}" for name in MESSAGES} <= found


def test_every_channel_has_one_operation_with_all_its_messages() -> None:
    operations = DOCUMENT["operations"].values()
    assert sorted(one["channel"]["$ref"] for one in operations) == sorted(
        f"#/channels/{name}" for name in DOCUMENT["channels"]
    )
    assert [one["action"] for one in operations] == ["send", "send", "receive", "receive"]
    for one in operations:
        named = {message["$ref"].rpartition("/")[2] for message in one["messages"]}
        assert named == set(resolved(one["channel"]["$ref"])["messages"])


def test_every_event_is_described() -> None:
    topics = [one.TOPIC for one in (Customer.Created, Customer.Updated, Customer.Deleted, Customer.Erased)]
    assert [*DOCUMENT["channels"]["customers"]["messages"]] == [event_name(topic) for topic in topics]
    assert set(CHARGE_EVENTS) < set(DOCUMENT["channels"]["charges"]["messages"])
    assert set(INVOICE_EVENTS) < set(DOCUMENT["channels"]["invoices"]["messages"])


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_an_example_is_its_message_and_no_other_of_its_channel(name: str, example: Any) -> None:
    message = MESSAGES[name]
    assert faults(message["payload"], example["payload"]) == []
    assert faults(message.get("headers", {}), example["headers"]) == []
    for channel in DOCUMENT["channels"].values():
        if name in channel["messages"]:
            fits = [one for one in channel["messages"] if is_message(one, message["contentType"], example)]
            assert fits == [name]


@pytest.mark.parametrize("name", DOCUMENT["channels"]["customers"]["messages"])
def test_an_example_of_what_leaves_is_what_the_relay_could_publish(name: str) -> None:
    [example] = MESSAGES[name]["examples"]
    subject = DOCUMENT["channels"]["customers"]["address"]
    for parameter, value in DOCUMENT["components"]["parameters"].items():
        subject = subject.replace(f"{{{parameter}}}", value["examples"][0])
    check_message(subject, example["headers"], orjson.dumps(example["payload"]))
    assert MESSAGES[name]["correlationId"]["$ref"] == "#/components/correlationIds/trace"
    assert "ce-traceparent" in example["headers"]


@pytest.mark.parametrize(
    "name", [name for name in MESSAGES if not name.startswith(("customer", "checkpoint"))]
)
def test_an_example_of_what_comes_in_is_read(name: str) -> None:
    [example] = MESSAGES[name]["examples"]
    event = read_message(
        Delivery("CHARGES", "charges.x", 1, example["headers"], orjson.dumps(example["payload"]))
    )
    assert event.standing == ("unknown" if name == "other" else "linked")
    if name in CHARGE_EVENTS + INVOICE_EVENTS:
        assert event.event == name


def test_every_member_of_an_event_and_every_header_but_constants_says_what_it_means() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in ("CustomerCreated", "CustomerUpdated", "CustomerDeleted", "CustomerErased", "Headers"):
        for member, schema in schemas[name]["properties"].items():
            said = "description" in schema or "const" in schema or [*references(schema)]
            assert said, f"{name}.{member}"


def test_it_is_printed_without_a_server_or_a_database() -> None:
    command = [sys.executable, "-m", "service.asyncapi"]
    printed = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    assert orjson.loads(printed) == orjson.loads(orjson.dumps(DOCUMENT))
