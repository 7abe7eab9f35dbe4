"""`python -m tests.benchmarks`: starts PostgreSQL, NATS, our service and the peers, runs benchmarks, reports.

A benchmark is a module with `async def run(bench)`, registered in BENCHMARKS. Exit codes: 0; 1 when a
benchmark failed (or, with --enforce, a target was missed); 130 when interrupted. Every process started here
ends with it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import psutil
from rich.console import Console

from service.embedded.nats import EmbeddedNats
from service.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError
from tests.benchmarks import (
    batch,
    delivered,
    footprint,
    get,
    history,
    idempotency,
    lists,
    patch,
    post,
    processes,
    profiling,
    rebuild,
    relay,
    report,
    streams,
    sustained,
    verify,
    visible,
    worker,
)
from tests.benchmarks.bench import QUICK, Bench, Plan
from tests.benchmarks.broker import Broker
from tests.benchmarks.contenders import OURS, PEERS, check_installed, peer
from tests.benchmarks.database import Databases
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.load import find_wrk
from tests.benchmarks.ours import ours

# In the order they run: reads before changes, so that customers are as they were created.
BENCHMARKS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "get": get.run,
    "post": post.run,
    "idempotency": idempotency.run,
    "patch": patch.run,
    "batch": batch.run,
    "footprint": footprint.run,
    "relay": relay.run,
    "worker": worker.run,
    "delivered": delivered.run,
    "visible": visible.run,
    "sustained": sustained.run,
    "streams": streams.run,
    "verify": verify.run,
    "lists": lists.run,
    "history": history.run,
    "rebuild": rebuild.run,
}
DEFAULT_PEERS = "P1,P4"


def main() -> int:
    """Run what the command line asks for and give the exit code."""
    options = _options()
    console = Console()
    # As Ctrl-C: the blocks below end servers and children on their way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        find_wrk()
        check_installed(options.peers)
        with (
            tempfile.TemporaryDirectory(prefix="customers-bench-") as name,
            _postgres(Path(name)) as postgres,
            _nats(Path(name)) as nats,
        ):
            return asyncio.run(_run(options, postgres, nats, Path(name), console))
    except BenchmarkFailed as error:
        console.print(f"[red]benchmark failed:[/] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        processes.end_all()


async def _run(
    options: argparse.Namespace,
    postgres: EmbeddedPostgres,
    nats: EmbeddedNats,
    directory: Path,
    console: Console,
) -> int:
    databases = Databases(postgres)
    plan: Plan = options.plan
    commit_milliseconds = await databases.check_durable()
    console.print(f"One small commit takes {commit_milliseconds:.2f} ms on this disk.\n")
    async with contextlib.AsyncExitStack() as stack:
        contenders = {OURS: await stack.enter_async_context(ours(databases, directory, plan.merchants))}
        for name in options.peers:
            running = peer(name, databases, directory, plan.merchants)
            contenders[name] = await stack.enter_async_context(running)
            console.print(f"{name}: {PEERS[name].title}")
        broker = await stack.enter_async_context(Broker(nats, partial(_processes, nats)))
        bench = Bench(plan, databases, contenders, broker, directory, console)
        try:
            for name in options.only:
                await BENCHMARKS[name](bench)
            if options.profile:
                await profiling.run(bench)
        except BenchmarkFailed as error:
            raise BenchmarkFailed(f"{error}{_logs(directory)}") from error
        finally:
            if options.json and bench.results:
                report.write_json(options.json, plan, commit_milliseconds, bench.results)
    missed = [result.title for result in bench.results if result.met is False]
    return 1 if missed and options.enforce else 0


@contextlib.contextmanager
def _postgres(directory: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(directory / "postgres")
    try:
        server.start()
        yield server
    except EmbeddedPostgresError as error:
        raise BenchmarkFailed(str(error)) from error
    finally:
        server.stop()


def _logs(directory: Path) -> str:
    """The end of what each process of the run has said."""
    return "".join(f"\n--- {log.stem}\n{processes.tail(log)}" for log in sorted(directory.glob("*.log")))


@contextlib.contextmanager
def _nats(directory: Path) -> Iterator[EmbeddedNats]:
    """A server that the first benchmark to need it starts."""
    server = EmbeddedNats(directory / "nats")
    try:
        yield server
    finally:
        server.stop()


def _processes(server: EmbeddedNats) -> list[psutil.Process]:
    return [psutil.Process(int((server.directory / "pid").read_text()))]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="Measure the service beside its peers."
    )
    add = parser.add_argument
    add("--only", type=_names(BENCHMARKS), default=list(BENCHMARKS), help="which, e.g. get,post")
    add("--peers", type=_peers, default=DEFAULT_PEERS, help=f"of {','.join(PEERS)}, or all")
    add("--quick", action="store_true", help="one short round at 32 connections: a smoke test")
    add("--rounds", type=int, help="A B rounds, default 3")
    add("--seconds", type=float, help="measured seconds a round, default 10")
    add("--connections", type=_numbers, help="default 32,128")
    add("--merchants", type=int, help="merchants the load is spread over, default 8")
    add("--events", type=int, help="of the store that is rebuilt, default 200,000")
    add("--profile", action="store_true", help="profile our process under POST (needs py-spy)")
    add("--json", type=Path, metavar="FILE", help="also write all figures to FILE")
    add("--enforce", action="store_true", help="exit 1 when a target was missed")
    options = parser.parse_args()
    asked = {
        name: getattr(options, name) for name in ("rounds", "seconds", "connections", "merchants", "events")
    }
    plan = QUICK if options.quick else Plan()
    options.plan = dataclasses.replace(plan, **{name: value for name, value in asked.items() if value})
    return options


def _peers(text: str) -> list[str]:
    return list(PEERS) if text == "all" else _names(PEERS)(text)


def _names(known: Iterable[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        chosen = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)} (known: {', '.join(known)})")
        return chosen

    return parse


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
