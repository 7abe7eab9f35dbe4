"""`customers keys rotate-master`: a new version of the master key, in two steps.

A process opens what any version wrapped that it was started with. So every process gets to know the new
version (`add`, then restarts) before anything is wrapped by it (`rewrap`).
"""

from __future__ import annotations

import typer

from events.database import Database
from events.key_checks import check_master_keys, use_versions
from events.rewrapping import api_keys_by_version, estimate_data_keys, rewrap
from service.cli.asking import confirm
from service.cli.options import DataDir, Yes
from service.cli.progress import progress
from service.cli.running import run
from service.databases import find_database
from service.errors import StartupError
from service.master_key import add_master_key, load_master_keys
from service.settings import Settings, load_settings

app = typer.Typer(
    help="Renew the master key: `add` a version, restart every process, `rewrap`.", no_args_is_help=True
)

NEXT = "restart every process (serve, relay, project, up), then run `customers keys rotate-master rewrap`"
AGAIN = "Restart every process, so that new ones are, too, and run this again: then none is left."
KEEP = "Keep every version: the database asks for each at every start; backups and signatures need them."


@app.command("add")
def add(data_dir: DataDir = None) -> None:
    """Add a new version to the master key's file, known from the next start on and not in use yet."""
    settings = load_settings(data_dir=data_dir)
    if settings.master_key is not None:
        typer.echo(
            "The master key comes from CUSTOMERS_MASTER_KEY: add this line to it and keep those it has; "
            f"{NEXT}.",
            err=True,
        )
        typer.echo(load_master_keys(settings).new_line(), nl=False)
        return
    version = add_master_key(settings).versions[-1]
    typer.echo(f"version {version} is in {settings.master_key_path}; keep a copy. Now {NEXT}.")


@app.command("rewrap")
def rewrap_(data_dir: DataDir = None, yes: Yes = False) -> None:
    """Take the newest version into use, and wrap every data key by it. May be interrupted, and run again."""
    settings = load_settings(data_dir=data_dir)
    confirm("Was every process restarted since the newest version was added?", yes=yes)
    typer.echo(run(_rewrap(settings)))


async def _rewrap(settings: Settings) -> str:
    master_keys = load_master_keys(settings)
    async with Database.connect(find_database(settings).administrator) as database:
        await check_master_keys(database, master_keys)
        newest = master_keys.versions[-1]
        if master_keys.versions == [newest]:
            raise StartupError("there is one version of the master key only: `rotate-master add` comes first")
        about = await estimate_data_keys(database)
        await use_versions(database, master_keys, [newest])
        done = 0
        with progress("wrapping data keys", about) as advance:
            async for page in rewrap(database, master_keys):
                done += page.rewrapped
                advance(page.seen)
        older = await api_keys_by_version(database)
    older.pop(newest, None)
    return _told(newest, done, older)


def _told(newest: int, done: int, older: dict[int, int]) -> str:
    """What was done, and why older versions have to stay."""
    lines = [
        f"Data keys wrapped anew, by version {newest}: {done}. {AGAIN}",
        *(f"API keys in force that need version {version}: {count}." for version, count in older.items()),
        KEEP,
    ]
    return "\n".join(lines)
