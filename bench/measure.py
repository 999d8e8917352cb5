"""Measures one command: wall time, processor time, peak memory."""

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
    """What keeps a measurement from being one."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a command took."""

    seconds: float
    """Wall time of the work: as a Python contestant says, or of the whole process."""

    process_seconds: float
    """Wall time of the whole process: the start of the interpreter and all imports included."""

    cpu_seconds: float
    """Processor time of the whole process, in user and kernel mode."""

    memory: int
    """Peak bytes."""


def measure(command: Sequence[str], environment: dict[str, str] | None = None) -> Figures:
    """Runs a command and returns what it took.

    Args:
        command: The program and its arguments. If its last line is a JSON object with `seconds`,
            that is the time of the work.
        environment: Further environment variables.

    Raises:
        BenchError: It failed.
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
            said = (done.stderr or done.stdout)[-2000:]
            raise BenchError(f"{' '.join(command[:6])} … ended with {done.returncode}:\n{said}")
        process_seconds, cpu_seconds, memory = map(float, taken.read_text().split())
    return Figures(_said(done.stdout) or process_seconds, process_seconds, cpu_seconds, int(memory))


def _said(output: str) -> float | None:
    lines = output.splitlines()
    try:
        return float(json.loads(lines[-1])["seconds"])
    except (IndexError, ValueError, KeyError, TypeError):
        return None
