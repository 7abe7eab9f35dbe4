"""The main job, end to end, with everything killed in the middle: customers in, events out, stats in.

One `customers up`; 1,000 customers by 8 clients, some changed, some deleted; 3,000 charge and 1,000 invoice
events, shuffled, every tenth twice. Then nothing acknowledged is missing, lists and stats equal a recount,
and the stream holds each event once, in order (F18, F21, F22, F25; I1, I3-I6).
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import nats.errors
import orjson
import psutil
import pytest

from events.wire.message import STREAM
from service.embedded.data_directory import Announcement
from tests.support.api import Client, client_session
from tests.support.ledger import check_ledger
from tests.support.nats_servers import raw_jetstream
from tests.support.serve import comes_about
from tests.support.up import Up, customers_up

CLIENTS, EACH = 8, 125
CHARGES, INVOICES = 750, 500  # 4 events a charge, 2 an invoice
LATER = {"COMPLETED": "PENDING", "EXPIRED": "PENDING", "CANCELLED": "PARTIAL", "UNDERPAID": "PARTIAL"}


class Acknowledged:
    """What clients were told: the last answer about each customer."""

    def __init__(self) -> None:
        self.live: dict[str, dict[str, Any]] = {}
        self.deleted: set[str] = set()

    async def work(self, data_dir: Path, number: int) -> None:
        """One client: creates, changes some, deletes some; repeats with the same key what got no answer."""
        for count in range(EACH):
            name = f"{number}-{count}"
            body = {"email": f"{name}@example.com", "name": f"Customer {name}"}
            customer = await insist(data_dir, "POST", "/v1/customers", body, f"create-{name}")
            path = f"/v1/customers/{customer['id']}"
            if count % 3 == 0:
                change = {"name": f"Changed {name}", "metadata": {"round": str(count)}}
                customer = await insist(data_dir, "PATCH", path, change, f"change-{name}")
            if count % 10 == 9:
                await insist(data_dir, "DELETE", path, None, f"delete-{name}")
                self.deleted.add(customer["id"])
            else:
                self.live[customer["id"]] = customer


async def insist(data_dir: Path, method: str, path: str, body: Any, key: str) -> dict[str, Any]:
    """Ask until there is an answer, wherever the service is by now."""
    while True:
        try:
            where = Announcement.model_validate_json((data_dir / "dev.json").read_bytes())
            async with client_session() as session:
                client = Client(session, where.url, where.api_key)
                answer = await client.request(method, path, body, {"Idempotency-Key": key})
        except (OSError, aiohttp.ClientError, ValueError):
            await asyncio.sleep(0.05)
            continue
        if answer.status in {200, 201}:
            customer: dict[str, Any] = answer.json()
            return customer
        assert answer.status == 503, answer.body


def billing_events(merchant_id: str, customers: Sequence[str]) -> list[tuple[str, bytes, str]]:
    """Subjects, bodies and ids: the lives of charges and invoices, shuffled, every tenth message twice."""
    chance, made = random.Random(20261125), []
    for number in range(CHARGES):
        final = chance.choice(list(LATER))
        amount = f"{chance.randrange(1, 10_000)}.{chance.randrange(100):02}"
        customer_id = chance.choice(customers)
        for step, status in enumerate(("PENDING", LATER[final], "RECEIVED", final)):
            data = {
                "id": f"chrg_{number}", "amount": amount, "currency": "USDC", "status": status,
                "merchantId": merchant_id, "customerId": customer_id,
            }  # fmt: skip
            made.append(message("charges", f"charge.{status.lower()}", data, step))
    for number in range(INVOICES):
        customer_id = chance.choice(customers)
        for step, event in enumerate(("created", "deleted" if number % 7 == 0 else "paid")):
            data = {"id": f"inv_{number}", "merchantId": merchant_id, "customerId": customer_id}
            made.append(message("invoices", f"invoice.{event}", data, step))
    made += made[::10]
    chance.shuffle(made)
    return made


def message(subject: str, event: str, data: dict[str, Any], step: int) -> tuple[str, bytes, str]:
    body = {"event": event, "timestamp": f"2026-01-15T12:15:{step:02}Z", "data": data}
    return f"{subject}.{data['merchantId']}.{data['id']}", orjson.dumps(body), f"{data['id']}-{step}"


def expected_stats(messages: Sequence[tuple[str, bytes, str]]) -> dict[str, tuple[int, int, Decimal]]:
    """A recount of what was sent, in plain steps: invoices, charges, total of each customer."""
    charges: dict[str, tuple[str, Decimal, bool]] = {}
    invoices: dict[str, tuple[str, bool]] = {}
    for subject, body, _ in messages:
        told = orjson.loads(body)
        data = told["data"]
        if subject.startswith("charges"):
            _, _, completed = charges.get(data["id"], ("", Decimal(0), False))
            is_completed = completed or data["status"] == "COMPLETED"
            charges[data["id"]] = data["customerId"], Decimal(data["amount"]), is_completed
        else:
            _, gone = invoices.get(data["id"], ("", False))
            invoices[data["id"]] = data["customerId"], gone or told["event"] == "invoice.deleted"
    charge_counts = Counter(customer for customer, _, _ in charges.values())
    invoice_counts = Counter(customer for customer, gone in invoices.values() if not gone)
    totals: Counter[str] = Counter()
    for customer, amount, completed in charges.values():
        totals[customer] += amount if completed else Decimal(0)  # type: ignore[assignment]
    return {
        customer: (invoice_counts[customer], charge_counts[customer], Decimal(totals[customer]))
        for customer in charge_counts | invoice_counts
    }


async def publish(data_dir: Path, messages: Sequence[tuple[str, bytes, str]]) -> None:
    """Publish all, each until a stream has acknowledged it."""
    waiting = list(messages)
    while waiting:
        try:
            where = Announcement.model_validate_json((data_dir / "dev.json").read_bytes())
            async with raw_jetstream(where.nats_url or "") as stream:
                while waiting:
                    subject, body, identity = waiting[0]
                    await stream.publish(subject, body, headers={"Nats-Msg-Id": identity})
                    waiting.pop(0)
        except (OSError, ValueError, nats.errors.Error):
            await asyncio.sleep(0.05)


def kill_everything(up: Up) -> None:
    """kill -9: the service, its PostgreSQL and its NATS, all at once."""
    data = str(up.data_dir.resolve())
    family = [up.process.pid, *(one.pid for one in psutil.Process(up.process.pid).children(recursive=True))]
    servers = [
        process.pid
        for process in psutil.process_iter(["pid", "cmdline"])
        if any(data in part for part in process.info["cmdline"] or ())
    ]
    for pid in {*family, *servers}:
        try:
            psutil.Process(pid).kill()
        except psutil.NoSuchProcess:
            continue
    up.process.wait()


@asynccontextmanager
async def client_of(where: Announcement) -> AsyncIterator[Client]:
    async with client_session() as session:
        yield Client(session, where.url, where.api_key)


async def all_listed(client: Client) -> list[dict[str, Any]]:
    """Every customer with its stats, page by page."""
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 100, "expand": "stats"}
    while True:
        page = (await client.page(**query)).json()
        found += page["data"]
        if not page["hasMore"]:
            return found
        query["startingAfter"] = found[-1]["id"]


async def check_everything(
    where: Announcement, told: Acknowledged, messages: Sequence[tuple[str, bytes, str]]
) -> None:
    """Wait until all is quiet, then compare everything with everything."""
    stats = expected_stats(messages)

    async def is_whole() -> bool:
        async with client_of(where) as client:
            listed = {one.pop("id"): one for one in await all_listed(client)}
        counted = {
            customer_id: (one.pop("invoiceCount"), one.pop("chargeCount"), Decimal(one.pop("totalSpent")))
            for customer_id, one in listed.items()
        }
        expected = {customer_id: stats.get(customer_id, (0, 0, Decimal(0))) for customer_id in told.live}
        acknowledged = {
            customer_id: {name: value for name, value in one.items() if name != "id"}
            for customer_id, one in told.live.items()
        }
        return listed == acknowledged and counted == expected

    await comes_about(is_whole, 30, "lists and stats that equal a recount")
    events = await check_ledger(where.admin_database_url)
    await comes_about(lambda: stream_is_whole(where, events), 30, "a stream that holds each event once")


async def stream_is_whole(where: Announcement, events: dict[str, int]) -> bool:
    async with raw_jetstream(where.nats_url or "") as stream:
        try:
            state = (await stream.stream_info(STREAM)).state
        except nats.errors.Error:
            return False
        positions = []
        subscription = await stream.subscribe("customers.v1.>", ordered_consumer=True)
        for _ in range(state.messages):
            received = await subscription.next_msg(timeout=5)
            positions.append(int((received.headers or {})["ce-sequence"]))
    return positions == list(range(1, events[where.merchant_id] + 1))


async def run_clients(data_dir: Path, told: Acknowledged) -> None:
    await asyncio.gather(*(told.work(data_dir, number) for number in range(CLIENTS)))


@pytest.mark.parametrize(
    "killed",
    [
        pytest.param(False, id="undisturbed"),
        pytest.param(True, id="killed in the middle", marks=pytest.mark.long),
    ],
)
async def test_nothing_is_lost_and_everything_adds_up(data_dir: Path, killed: bool) -> None:
    told = Acknowledged()
    with customers_up(data_dir) as up:
        where = await asyncio.to_thread(up.wait_until_ready)
        clients = asyncio.create_task(run_clients(data_dir, told))
        await comes_about(lambda: has(told, 300), 60)
        messages = billing_events(where.merchant_id, sorted(told.live))
        payments = asyncio.create_task(publish(data_dir, messages))
        if not killed:
            await asyncio.gather(clients, payments)
            await check_everything(where, told, messages)
            return
        await comes_about(lambda: has(told, 500), 60)
        await asyncio.to_thread(kill_everything, up)
        (data_dir / "dev.json").unlink()
    with customers_up(data_dir) as up:
        where = await asyncio.to_thread(up.wait_until_ready)
        await asyncio.gather(clients, payments)
        await check_everything(where, told, messages)


async def has(told: Acknowledged, count: int) -> bool:
    return len(told.live) >= count


@pytest.mark.long
async def test_the_stream_is_whole_again_after_it_was_deleted_under_load(data_dir: Path) -> None:
    told = Acknowledged()
    with customers_up(data_dir) as up:
        where = await asyncio.to_thread(up.wait_until_ready)
        clients = asyncio.create_task(run_clients(data_dir, told))
        await comes_about(lambda: has(told, 300), 60)
        async with raw_jetstream(where.nats_url or "") as stream:
            await stream.delete_stream(STREAM)
        await clients
        await check_everything(where, told, [])
