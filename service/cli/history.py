"""`customers history`: what happened to a customer, as a timeline for people or JSON lines for programs.

In: a customer's id. Out: its events, oldest first, a page at a time.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.text import Text

from events.history import History, open_history
from events.strict_json import shown
from service.audit.history_items import history_items
from service.cli.options import CustomerId, DataDir, OwnerId
from service.cli.owners import check_customer_id, owner_of
from service.cli.running import run
from service.cli.tables import WIDTH
from service.databases import find_database
from service.master_key import load_master_keys
from service.settings import Settings, load_settings

PAGE = 100
VALUE_LENGTH = 200  # code points of a value in the timeline

AsLines = Annotated[
    bool, typer.Option("--json", help="Print each event as a line of JSON, as the API shows it.")
]


def history(
    customer_id: CustomerId,
    data_dir: DataDir = None,
    merchant_id: OwnerId = None,
    as_json: AsLines = False,
) -> None:
    """Show what happened to a customer: when, by whom, and what it changed. Oldest first."""
    check_customer_id(customer_id)
    run(_show(load_settings(data_dir=data_dir), customer_id, merchant_id, as_json))


async def _show(settings: Settings, customer_id: str, merchant_id: str | None, as_json: bool) -> None:
    url = find_database(settings).application
    console = Console(width=WIDTH, highlight=False, markup=False, soft_wrap=True)
    async with open_history(url, load_master_keys(settings)) as reader:
        owner = await owner_of(reader.database, customer_id, merchant_id)
        async for item in _items(reader, owner, customer_id):
            if as_json:
                sys.stdout.write(item.decode() + "\n")
            else:
                console.print(timeline_entry(orjson.loads(item)))


async def _items(reader: History, merchant_id: str, customer_id: str) -> AsyncIterator[bytes]:
    last, more = 0, True
    while more:
        events, more = await reader.page(merchant_id, customer_id, PAGE, newest_first=False, beyond=last)
        for item in await history_items(reader.database, merchant_id, events):
            yield item
        if events:
            last = events[-1].version


def timeline_entry(item: dict[str, Any]) -> Text:
    """An event as people read it: a line about it, and one for each member that changed."""
    entry = Text()
    entry.append(item["recordedAt"], "cyan")
    entry.append(f"  {item['version']:>3}  ")
    entry.append(item["type"], "bold")
    if item["actor"] is not None:
        name = item["actor"]["name"]
        entry.append(f"  by {item['actor']['id']}" + (f" ({shown(name)})" if name else ""))
    if item["requestId"] is not None:
        entry.append(f"  {item['requestId']}", "dim")
    width = max(map(len, item["changes"]), default=0)
    for member, change in item["changes"].items():
        entry.append(f"\n    {shown(member):<{width}}  ")
        entry.append(_value(change["from"]), "red")
        entry.append(" → ")
        entry.append(_value(change["to"]), "green")
    return entry


def _value(value: str | None) -> str:
    return "-" if value is None else shown(value, VALUE_LENGTH)
