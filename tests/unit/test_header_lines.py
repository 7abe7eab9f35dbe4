"""Headers of messages are read as nats-py reads them, only faster."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from nats.aio.client import Client

from events.stream.frames import header_lines

lines = st.lists(
    st.one_of(st.binary(max_size=12), st.from_regex(rb"[A-Za-z-]{1,8}: ?[ -~]{0,8}", fullmatch=True)),
    max_size=6,
).map(b"\r\n".join)


@given(raw=lines)
@example(raw=b": nameless\r\n : x\r\n\x1ca: x\r\na\x1c: x\r\na: \x1cx\x85\r\n\x1c: x\r\n\x0ba\x0c:\x0bx")
@example(raw=b"ce-id: a:b\r\nNats-Msg-Id:x\r\nEmpty:\r\nno colon\r\na b: c\r\n\xff: y\r\nok: \xff\r\n")
def test_they_are_what_the_library_reads(raw: bytes) -> None:
    assert header_lines(raw) == Client._parse_header_lines(raw)
