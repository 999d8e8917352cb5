"""Measurement of a command: wall time, processor time and peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_STOPWATCH = Path(__file__).with_name("stopwatch.py")


class BenchError(Exception):
    """Raised when a measurement fails."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a command."""

    seconds: float
    """Wall time of the work, as reported by the command, or else of the process."""

    process_seconds: float
    """Wall time of the process, including the start of the interpreter and imports."""

    cpu_seconds: float
    """Processor time of the process, in user and kernel mode."""

    memory: int
    """Peak memory in bytes."""


def measure(command: Sequence[str], environment: dict[str, str] | None = None) -> Figures:
    """Run a command, and return the measured figures.

    Args:
        command: The program and the arguments. If the last line of the output is a JSON object
            with `seconds`, this is the time of the work.
        environment: Further environment variables.

    Raises:
        BenchError: The command failed.
    """
    with tempfile.TemporaryDirectory(prefix="stopwatch-") as scratch:
        taken = Path(scratch, "figures")
        done = subprocess.run(
            [sys.executable, "-S", "-E", str(_STOPWATCH), str(taken), *command],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            output = (done.stderr or done.stdout)[-2000:]
            raise BenchError(f"{' '.join(command[:6])} … ended with {done.returncode}:\n{output}")
        process_seconds, cpu_seconds, memory = map(float, taken.read_text().split())
    return Figures(
        _reported_seconds(done.stdout) or process_seconds, process_seconds, cpu_seconds, int(memory)
    )


def _reported_seconds(output: str) -> float | None:
    lines = output.splitlines()
    try:
        return float(json.loads(lines[-1])["seconds"])
    except (IndexError, ValueError, KeyError, TypeError):
        return None
