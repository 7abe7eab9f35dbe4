"""How many connections there is room for, in a process whose limits of open files a test has set."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASK = """
import resource, sys
from service.http.connections import room_for_connections
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(room_for_connections(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "room", "raised"),
    [
        (512, 900, 100, 100, 512),  # there is room already
        (300, 900, 100, 100, 356),  # the limit is raised as far as needed
        (300, 900, 10_000, 644, 900),  # … and no further than it may be
        (100, 100, 10_000, 1, 100),  # too few even for the service itself: it tries
    ],
)
def test_the_limit_of_open_files_is_raised_and_bounds_the_connections(
    soft: int, hard: int, wanted: int, room: int, raised: int
) -> None:
    asked = [sys.executable, "-c", ASK, str(soft), str(hard), str(wanted)]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(room), str(raised)]
