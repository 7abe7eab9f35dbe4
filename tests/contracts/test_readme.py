"""The README's tour as it is written: every command, in order, in one shell, beside `customers up`.

`make up` itself is left out: it is the tests' own `make test` with another last step.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from service.cli.commands import app
from service.settings import PREFIX, Settings
from tests.support.directories import short_directory
from tests.support.up import clean_environment, customers_up

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()

TOUR = re.compile(r"^## Five minutes\n(.*?)^## ", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")

# A refusal by the service fails the command, and so the tour.
SHELL = """
set -euo pipefail
curl() { command curl --max-time 20 --fail "$@"; }
"""
END_OF_BLOCK = "--- end of block ---"


def blocks() -> list[str]:
    """The tour's shell commands."""
    tour = TOUR.search(README)
    assert tour is not None
    return BLOCK.findall(tour[1])


@pytest.fixture(scope="module")
def shown() -> Iterator[list[str]]:
    """What each block after `make up` prints, and then the first request's block once more."""
    first, variables, create, *others = blocks()
    assert first == "make up\n"
    with short_directory() as directory, customers_up(directory / ".customers") as up:
        up.wait_until_ready()
        (directory / ".venv").symlink_to(sys.prefix)
        script = f"\necho; echo '{END_OF_BLOCK}'\n".join([variables, create, create, *others, ""])
        done = subprocess.run(
            ["bash", "-c", SHELL + script],  # noqa: S607 - a reader's shell is the first on the path, too
            cwd=directory,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert done.stderr == ""
        yield done.stdout.split(END_OF_BLOCK)[:-1]


def status(text: str) -> str:
    """The status line of what `curl -i` printed."""
    return text.strip().splitlines()[0].strip()


def bodies(text: str) -> list[dict[str, Any]]:
    """The JSON objects in what one block printed."""
    found = re.findall(r"\{.*\}", text.replace("}{", "}\n{"))
    return [orjson.loads(body) for body in found]


def test_setting_the_variables_prints_nothing(shown: list[str]) -> None:
    assert shown[0].strip() == ""


def test_the_customer_is_created_and_the_repeated_request_answers_the_same(shown: list[str]) -> None:
    created, repeated = shown[1:3]
    assert status(created) == status(repeated) == "HTTP/1.1 201 Created"
    assert bodies(created) == bodies(repeated)
    assert "idempotent-replayed" not in created.lower()
    assert "Idempotent-Replayed: true" in repeated


def test_it_is_found_by_its_email_however_that_is_spelled(shown: list[str]) -> None:
    (page,) = bodies(shown[3])
    assert page["data"] == bodies(shown[1])


def test_it_is_changed_as_the_text_says(shown: list[str]) -> None:
    (created,), (changed,) = bodies(shown[1]), bodies(shown[4])
    assert status(shown[4]) == "HTTP/1.1 200 OK"
    assert changed == created | {
        "phone": "+1234567890",
        "metadata": {"tier": "gold", "source": "referral"},
        "updated": changed["updated"],
    }


def test_the_next_read_sees_the_change_under_its_version(shown: list[str]) -> None:
    assert bodies(shown[5]) == bodies(shown[4])
    assert 'ETag: "2"' in shown[5]


def test_its_history_tells_of_the_change_and_its_first_version_is_there_still(shown: list[str]) -> None:
    history, first = bodies(shown[6])
    assert [event["type"] for event in history["data"]] == ["customer.updated", "customer.created"]
    assert history["data"][0]["changes"]["metadata.source"] == {"from": None, "to": "referral"}
    assert [first] == bodies(shown[1])
    assert "→ +1234567890" in shown[6]


def test_it_is_deleted_and_leaves_a_tombstone(shown: list[str]) -> None:
    page, deleted, read = bodies(shown[7])
    assert page["object"] == "list"
    assert deleted == read == {"id": bodies(shown[1])[0]["id"], "object": "customer", "deleted": True}


def test_what_happened_is_told_by_page_and_as_a_stream(shown: list[str]) -> None:
    page, deleted = [body for body in bodies(shown[8]) if body.get("object") == "list"]
    names = ["customer.created", "customer.updated", "customer.deleted"]
    assert [event["event"] for event in page["data"]] == names
    assert deleted["data"] == page["data"][2:]
    assert re.findall(r"^id: (\d+)\nevent: (.*)$", shown[8], re.MULTILINE) == [
        (str(number), name) for number, name in enumerate(names, 1)
    ]


def test_the_demo_moves_the_stats_of_customers(shown: list[str]) -> None:
    assert "charges" in shown[9]
    (page,) = bodies(shown[10])
    customers: Any = page["data"]
    assert len(customers) == 3
    assert sum(customer["chargeCount"] + customer["invoiceCount"] for customer in customers) > 0


def test_no_block_was_left_unchecked(shown: list[str]) -> None:
    assert len(shown) == 11


@pytest.mark.parametrize(
    "page",
    sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("[a-z]*/*.md")),
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    targets = LINK.findall(page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_make_target_that_the_readme_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", README)) <= targets


def test_every_variable_that_the_readme_names_is_a_setting() -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(re.findall(rf"{PREFIX}[A-Z][A-Z_]+", README)) <= settings


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`(?:\S*/)?customers ([^`]+)`", README))))
def test_every_command_that_the_readme_names_is_there(command: str) -> None:
    words = [word for word in command.split() if not word.startswith("-")]
    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0
