"""Logs of a running service: JSON lines on stderr, from the level asked for."""

from __future__ import annotations

import json

import pytest
import structlog

from service.logs import configure_logs


def test_lines_are_json_on_stderr_and_quieter_ones_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        configure_logs("warning")
        log = structlog.get_logger()
        log.info("not_said")
        log.warning("said", merchant_id="mer_1")
    finally:
        structlog.reset_defaults()
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    written = json.loads(line)
    assert (written["event"], written["level"], written["merchant_id"]) == ("said", "warning", "mer_1")
