"""What can end a benchmark run: one exception, whose text is one clear message for the terminal."""

from __future__ import annotations


class BenchmarkFailed(Exception):
    """A number that would have been wrong, or a program that is missing or did not start."""
