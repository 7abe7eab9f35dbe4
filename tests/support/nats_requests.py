"""Everything that can be asked of JetStream about our streams, and who gets an answer.

In: a client. Out: the names of the requests that reached a stream's account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from nats.aio.client import Client
from nats.errors import NoRespondersError

from events.stream.jetstream import JetStream
from events.stream.settings import StreamSettings
from events.wire.message import STREAM, subject_of
from service.projecting import BILLING_STREAMS, ensure_billing_streams
from tests.support.nats_accounts import Guarded
from tests.support.store import M1, M2

STREAMS = [STREAM, *BILLING_STREAMS]
CONSUMERS = {
    "customers-read-model": (STREAM, None),
    "crm": (STREAM, subject_of(M1, ">")),
    "mail": (STREAM, subject_of(M2, ">")),
    "billing-charges": ("CHARGES", None),
    "billing-invoices": ("INVOICES", None),
}
"""By name: the stream, and the subjects that are read."""
NOT_ENABLED = 10039
"""The server's answer to whoever has no JetStream."""
ANSWER_SECONDS = 2.0
CREATE = "$JS.API.CONSUMER.CREATE"
NEXT = "$JS.API.CONSUMER.MSG.NEXT"


def stream_named(name: str) -> Mapping[str, object]:
    """The stream's configuration as it is made."""
    if name == STREAM:
        return StreamSettings().new_stream()
    return {"name": name, "subjects": [BILLING_STREAMS[name]], "storage": "file", "num_replicas": 1}


def consumer(stream: str, name: str, filter_subject: str | None, **config: object) -> dict[str, object]:
    """A request for a consumer."""
    filtered = {"filter_subject": filter_subject} if filter_subject else {}
    return {
        "stream_name": stream,
        "config": {"name": name, "durable_name": name, "ack_policy": "explicit", **filtered, **config},
    }


def requests() -> dict[str, object]:
    """Bodies by subject: what reads and makes first, what destroys last."""
    api = "$JS.API"
    asked: dict[str, object] = {f"{api}.INFO": {}, f"{api}.STREAM.NAMES": {}, f"{api}.STREAM.LIST": {}}
    for stream in STREAMS:
        subject = "customers.v1.x.y" if stream == STREAM else f"{stream.lower()}.x"
        asked |= {
            subject: {},
            f"{api}.STREAM.CREATE.{stream}": stream_named(stream),
            f"{api}.STREAM.UPDATE.{stream}": stream_named(stream),
            f"{api}.STREAM.INFO.{stream}": {},
            f"{api}.STREAM.MSG.GET.{stream}": {"seq": 1},
            f"{api}.STREAM.SNAPSHOT.{stream}": {},
            f"{api}.CONSUMER.NAMES.{stream}": {},
            f"{api}.CONSUMER.LIST.{stream}": {},
            f"{api}.CONSUMER.CREATE.{stream}": consumer(stream, "", None),
        }
    for name, (stream, filtered) in CONSUMERS.items():
        asked |= {
            f"{api}.CONSUMER.CREATE.{stream}.{name}" + (f".{filtered}" if filtered else ""): consumer(
                stream, name, filtered
            ),
            f"{api}.CONSUMER.DURABLE.CREATE.{stream}.{name}": consumer(stream, name, filtered),
            f"{api}.CONSUMER.INFO.{stream}.{name}": {},
            f"{api}.CONSUMER.MSG.NEXT.{stream}.{name}": {"batch": 1, "no_wait": True},
        }
    asked |= {
        f"{api}.DIRECT.GET.{STREAM}": {"seq": 1},
        f"{api}.DIRECT.GET.{STREAM}.{subject_of(M1, 'c')}": {},
    }
    # Names and filters beside the right ones.
    for name, filtered in (
        ("crm", None),
        ("crm", ">"),
        ("crm", subject_of(M2, ">")),
        ("mail", subject_of(M1, ">")),
    ):
        ending = f".{filtered}" if filtered else ""
        asked[f"{api}.CONSUMER.CREATE.{STREAM}.{name}{ending}"] = consumer(STREAM, name, filtered)
    for name, (stream, _) in CONSUMERS.items():
        asked[f"{api}.CONSUMER.PAUSE.{stream}.{name}"] = {}
        asked[f"{api}.CONSUMER.DELETE.{stream}.{name}"] = {}
    for stream in STREAMS:
        asked[f"{api}.STREAM.MSG.DELETE.{stream}"] = {"seq": 1_000_000}
        asked[f"{api}.STREAM.PURGE.{stream}"] = {}
        asked[f"{api}.STREAM.DELETE.{stream}"] = {}
    return asked


async def is_answered(client: Client, subject: str, body: object) -> bool:
    """Whether somebody answers other than that there is no JetStream here.

    In the old style: what is delivered as an answer keeps its subject, which nats-py's other one looks for.
    """
    try:
        answer = await client.request(subject, orjson.dumps(body), timeout=ANSWER_SECONDS, old_style=True)
    except (TimeoutError, NoRespondersError):
        return False
    said: Any = orjson.loads(answer.data or b"{}")
    return bool(said.get("error", {}).get("err_code") != NOT_ENABLED)


async def answered(client: Client) -> set[str]:
    """The subjects of the requests that were answered."""
    return {subject for subject, body in requests().items() if await is_answered(client, subject, body)}


async def make_all(server: Guarded) -> None:
    """The streams and consumers, each made by whose it is, where they are missing."""
    async with JetStream.connect(server.broker("relay")) as relay:
        await relay.create_stream(stream_named(STREAM))
    async with JetStream.connect(server.broker("streams")) as administrator:
        await ensure_billing_streams(administrator)
    for name, (stream, filtered) in CONSUMERS.items():
        async with server.client("workers" if filtered is None else name) as client:
            subject = ".".join(filter(None, (CREATE, stream, name, filtered)))
            assert await is_answered(client, subject, consumer(stream, name, filtered))
