"""Run scripts that serve or deploy flows, each in a forked process that shares the imports.

    python -m tests.support.served_flows SCRIPT…

Each script runs as with `python SCRIPT`. The log of `served.py` is `served.log`. SIGTERM ends all
scripts.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import time
from pathlib import Path

import prefect

from prefect_stac_asset import flows

__all__ = ["flows", "prefect"]

_running: set[int] = set()
"""Ids of the processes of the scripts."""


def _end_scripts(number: int, frame: object) -> None:
    """Pass a signal to the scripts. A fork of `tests/support/prepared` alone receives signals."""
    for process in _running:
        os.kill(process, number)


if __name__ == "__main__":
    for script in sys.argv[1:]:
        process = os.fork()
        if process == 0:
            with open(Path(script).with_suffix(".log"), "wb") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            sys.argv = [script]
            runpy.run_path(script, run_name="__main__")
            os._exit(0)
        _running.add(process)
        time.sleep(0.5)  # Scripts that start at the same time would occupy all cores.
    signal.signal(signal.SIGTERM, _end_scripts)
    while _running:
        _running.discard(os.wait()[0])
