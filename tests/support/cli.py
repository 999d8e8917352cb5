"""The command `stac-asset`, in this process or in a process of its own."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

import pytest
from click.testing import CliRunner

from stac_asset.cli import main

COMMAND = [sys.executable, "-c", "from stac_asset.cli import main; main()"]


@dataclass
class CommandResult:
    """Exit code and output of a command."""

    code: int
    output: str
    errors: str


def start_command(*arguments: object) -> subprocess.Popen[str]:
    """Start a process of `stac-asset`, with pipes for the three standard streams."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_command(*arguments: object, document: object = None) -> CommandResult:
    """Run `stac-asset` in this process, and return the result.

    Imports of a new process take most of the time of a command. Tests of signals, closed streams
    and terminals use `start_command` or `COMMAND`.

    Args:
        arguments: Arguments of the command.
        document: Text or JSON document for standard input. By default standard input is empty.
    """
    text = document if isinstance(document, str) else json.dumps(document)
    streams = CliRunner().isolation(input=text if document is not None else None)
    with streams as (output, errors, _), _command_line(*map(str, arguments)):
        try:
            main()
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        result = output.getvalue().decode(), errors.getvalue().decode()
    assert isinstance(code, int)
    return CommandResult(code, *result)


@contextmanager
def _command_line(*arguments: str) -> Iterator[None]:
    """Set the arguments of this process, and undo the changes of a command to logs and warnings."""
    logger = logging.getLogger("stac_asset")
    handlers, propagate, level = list(logger.handlers), logger.propagate, logger.level
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(sys, "argv", ["stac-asset", *arguments])
        warnings.simplefilter("default")
        patch.setattr(warnings, "showwarning", _print_warning)
        try:
            yield
        finally:
            logger.handlers[:] = handlers
            logger.propagate = propagate
            logger.setLevel(level)


def _print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning on standard error, as Python does outside of pytest."""
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def read_single_error(result: CommandResult, code: int = 1) -> str:
    """Return the error line of a command that ended with an exit code and no other output."""
    (line,) = result.errors.splitlines()
    assert (result.code, result.output) == (code, "")
    assert line.startswith("error: ")
    return line
