"""Imports of test modules, in another order in each process of a parallel test run."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.paths import ROOT

T = TypeVar("T")


def import_test_modules(folders: Iterable[Path]) -> None:
    """Import the test modules of folders, if other processes import them too.

    Pytest compiles a test module at the first import in a clone. Each process begins with another
    module, so that a process compiles some modules, and finds the others compiled.

    Args:
        folders: Folders that all processes collect. Paths outside of `tests` are ignored.
    """
    process = os.environ.get("PYTEST_XDIST_WORKER")
    if process is None:
        return
    tests = ROOT / "tests"
    paths = [
        path
        for folder in folders
        if tests in (folder, *folder.parents)
        for path in sorted(folder.rglob("test_*.py"))
    ]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    count = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    for name in rotated(names, int(process.removeprefix("gw")), count):
        # The collection imports the module again, and reports the error.
        with suppress(Exception, pytest.skip.Exception):
            importlib.import_module(name)


def rotated(values: Sequence[T], process: int, count: int) -> list[T]:
    """Return values, beginning with the share of a process.

    Args:
        values: The values.
        process: The number of the process, from 0.
        count: The number of processes.
    """
    start = len(values) * process // count
    return [*values[start:], *values[:start]]
