"""`customers demo` beside a real `customers up`: what it creates, what it publishes, how it ends."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import subprocess
import termios
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from nats.js import JetStreamContext

from tests.support.nats_servers import raw_jetstream
from tests.support.serve import comes_about
from tests.support.up import CUSTOMERS, Up, call, clean_environment, customers, customers_up


@pytest.fixture
def up(data_dir: Path) -> Iterator[Up]:
    with customers_up(data_dir) as started:
        started.wait_until_ready()
        yield started


@pytest_asyncio.fixture
async def streams(up: Up) -> AsyncIterator[JetStreamContext]:
    """JetStream with both streams, whoever made them."""
    url = up.wait_until_ready().nats_url
    assert url is not None
    async with raw_jetstream(url) as js:
        known = {stream.config.name for stream in await js.streams_info()}
        for name in {"CHARGES", "INVOICES"} - known:
            await js.add_stream(name=name, subjects=[f"{name.lower()}.>"])
        yield js


@contextmanager
def started_demo(data_dir: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*CUSTOMERS, "demo", "--data-dir", data_dir, *options],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def published(js: JetStreamContext, stream: str) -> list[dict[str, Any]]:
    """Every event of a stream, in order."""
    end = (await js.stream_info(stream)).state.last_seq
    messages = [await js.get_msg(stream, seq=number) for number in range(1, end + 1)]
    return [orjson.loads(message.data or b"") for message in messages]


async def test_a_short_run_creates_customers_publishes_for_them_and_says_what_must_come_of_it(
    up: Up, streams: JetStreamContext, data_dir: Path
) -> None:
    said = customers(
        "demo", "--data-dir", str(data_dir), "--rate", "200", "--customers", "12", "--seconds", "2"
    )
    assert (said.returncode, said.stderr) == (0, "")
    running = up.wait_until_ready()
    charges, invoices = await published(streams, "CHARGES"), await published(streams, "INVOICES")
    assert {event["data"]["merchantId"] for event in charges + invoices} == {running.merchant_id}
    assert (
        f"Published {len(charges)} events of {len({event['data']['id'] for event in charges})} charges"
        in said.stdout
    )
    sample = sample_id(said.stdout)
    assert (await call(running, "GET", f"/v1/customers/{sample}"))[1]["id"] == sample
    assert f"stats are to be {recount(charges, invoices)[sample]}:" in said.stdout

    async def twelve_are_listed() -> bool:
        return len((await call(running, "GET", "/v1/customers?limit=100"))[1]["data"]) == 12

    async def stats_are_as_said() -> bool:
        answer = (await call(running, "GET", f"/v1/customers/{sample}?expand=stats"))[1]
        return shown(answer["invoiceCount"], answer["chargeCount"], answer["totalSpent"]) in said.stdout

    await comes_about(twelve_are_listed, what="twelve customers, whoever was deleted meanwhile")
    await comes_about(stats_are_as_said, what="the stats that the summary shows")


def sample_id(said: str) -> str:
    found = re.search(r"/v1/customers/(cus_\w+)\?expand=stats'", said)
    assert found is not None
    return found[1]


def shown(invoices: int, charges: int, spent: str) -> str:
    """Stats as the summary has them."""
    return f"invoiceCount {invoices}, chargeCount {charges}, totalSpent {spent}"


def recount(charges: list[dict[str, Any]], invoices: list[dict[str, Any]]) -> dict[str, str]:
    """The stats of each customer as the demo shows them, from the events alone."""
    spent: defaultdict[str, Decimal] = defaultdict(Decimal)
    charge_ids: defaultdict[str, set[str]] = defaultdict(set)
    invoice_ids: defaultdict[str, set[str]] = defaultdict(set)
    for data in (event["data"] for event in charges):
        charge_ids[data["customerId"]].add(data["id"])
        if data["status"] == "COMPLETED" and data["currency"] == "USDC":
            spent[data["customerId"]] += Decimal(data["amount"])
    gone = {event["data"]["id"] for event in invoices if event["event"] == "invoice.deleted"}
    for data in (event["data"] for event in invoices):
        invoice_ids[data["customerId"]] |= {data["id"]} - gone
    return {
        whose: shown(len(invoice_ids[whose]), len(charge_ids[whose]), f"{spent[whose]:.2f}")
        for whose in charge_ids | invoice_ids
    }


def said_in_a_terminal(*command: str) -> str:
    """What a command prints in a terminal of 80 columns, to its end."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    environment = clean_environment() | {"TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        said = b""
        with suppress(OSError):  # Linux reports the end of the other side as an error
            while read := os.read(ours, 4096):
                said += read
    os.close(ours)
    return said.decode()


async def test_in_a_terminal_one_line_changes_and_the_command_to_copy_is_never_wrapped(
    up: Up, streams: JetStreamContext, data_dir: Path
) -> None:
    said = await asyncio.to_thread(
        said_in_a_terminal, *CUSTOMERS, "demo", "--data-dir", str(data_dir), "--seconds", "2"
    )
    running = up.wait_until_ready()
    shown, done = re.findall(
        r"curl -s '\S+/v1/customers/(cus_\w+)\?expand=stats' -H 'X-API-Key: (sk_test_\w+)'", said
    )
    assert shown == done == (sample_id(said), running.api_key)
    assert re.search(r"\x1b\[2K +\d+ s   \d+ customers ", said)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_ends_it_with_a_summary(
    up: Up, streams: JetStreamContext, data_dir: Path, number: int
) -> None:
    with started_demo(data_dir, "--customers", "2") as demo:
        assert demo.stdout is not None
        first = demo.stdout.readline()
        demo.send_signal(number)
        rest, errors = demo.communicate(timeout=30)
        assert (demo.returncode, errors) == (0, "")
        assert "curl -s" in first + rest
        assert re.search(r"^Created \d+ customers, changed \d+, deleted \d+\.$", rest, re.MULTILINE)


async def test_it_ends_in_one_line_when_nats_ends(up: Up, streams: JetStreamContext, data_dir: Path) -> None:
    with started_demo(data_dir, "--customers", "1") as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        up.stop()
        _, errors = demo.communicate(timeout=30)
        assert demo.returncode == 1
        assert len(errors.splitlines()) == 1
        assert errors.startswith("customers: ")


def test_it_says_in_one_line_that_nothing_runs(data_dir: Path) -> None:
    said = customers("demo", "--data-dir", str(data_dir))
    assert said.returncode == 1
    assert said.stderr == (
        f"customers: no `customers up` is ready on {data_dir} (--data-dir names another)\n"
    )


def test_it_says_in_one_line_that_nats_is_absent(data_dir: Path) -> None:
    with customers_up(data_dir, {"CUSTOMERS_NATS_URL": "nats://127.0.0.1:1"}) as up:
        up.wait_until_ready()
        said = customers("demo", "--data-dir", str(data_dir))
        assert said.returncode == 1
        assert said.stderr.startswith("customers: NATS cannot be reached")
        assert len(said.stderr.splitlines()) == 1
