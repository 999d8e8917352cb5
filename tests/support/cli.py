"""Processes of the command `stac-asset`, with exit codes and output."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

COMMAND = [sys.executable, "-c", "from stac_asset.cli import main; main()"]


@dataclass
class CommandResult:
    """Exit code and output of a finished process."""

    code: int
    output: str
    errors: str


def start_command(*arguments: object) -> subprocess.Popen[str]:
    """Start `stac-asset` with the given arguments, and pipes for the three standard streams."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_command(*arguments: object, document: object = None) -> CommandResult:
    """Run `stac-asset`, and return the result.

    Args:
        arguments: Arguments of the command.
        document: Text or JSON document for standard input. By default standard input is empty.
    """
    process = start_command(*arguments)
    text = document if isinstance(document, str) else json.dumps(document)
    output, errors = process.communicate(text if document is not None else None, timeout=240)
    return CommandResult(process.returncode, output, errors)


def read_single_error(result: CommandResult) -> str:
    """Return the error line of a command with exit code 1 and no other output."""
    (line,) = result.errors.splitlines()
    assert (result.code, result.output) == (1, "")
    assert line.startswith("error: ")
    return line
