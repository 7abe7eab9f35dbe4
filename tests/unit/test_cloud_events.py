"""CloudEvents' headers by the NATS binding: what is one, and values that are percent-encoded or quoted."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.cloud_events import BadCloudEvent, attributes_of, is_binary, is_structured


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("Euro%20%e2%82%ac", "Euro €"),
        ("%65%31", "e1"),
        ("100%25", "100%"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("%2525", "%25"),
        ('"a b"', "a b"),
        (r'"say \"hi\" \\ %20"', r'say "hi" \  '),
        ('"open', '"open'),
        ("a+b", "a+b"),
        ("größer%20als", "größer als"),
    ],
)
def test_a_value_is_unquoted_and_decoded_once(sent: str, meant: str) -> None:
    assert attributes_of({"ce-subject": sent, "subject": "x"}) == {"subject": meant}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_was_encoded_comes_out_as_it_was(text: str) -> None:
    assert attributes_of({"ce-subject": quote(text, safe="")}) == {"subject": text}


@pytest.mark.parametrize("sent", ["%C0%A0", "%FF", "a%E2%82"])
def test_what_is_no_utf_8_is_refused_by_the_header_s_name(sent: str) -> None:
    with pytest.raises(BadCloudEvent, match=r"^ce-id is percent-encoded, and not in UTF-8$"):
        attributes_of({"ce-id": sent})


@pytest.mark.parametrize(
    ("content_type", "structured"),
    [
        ("application/cloudevents+json", True),
        ("application/cloudevents", True),
        ("APPLICATION/CloudEvents+JSON;charset=utf-8", True),
        ("application/json", False),
        ("", False),
    ],
)
def test_the_content_type_says_whether_it_is_structured(content_type: str, *, structured: bool) -> None:
    assert is_structured({"content-type": content_type}) is structured


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+avro", "application/cloudevents-batch+json"]
)
def test_another_format_of_cloud_events_is_refused(content_type: str) -> None:
    with pytest.raises(BadCloudEvent, match=r"^Content-Type must be application/cloudevents\+json"):
        is_structured({"content-type": content_type})


def test_only_a_version_makes_a_message_binary() -> None:
    assert is_binary({"ce-specversion": "0.3"})
    assert not is_binary({"ce-id": "e1", "ce-source": "/s"})
