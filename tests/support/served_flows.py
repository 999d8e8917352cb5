"""Run scripts that serve or deploy flows, each in a forked process that shares the imports.

    python -m tests.support.served_flows SCRIPT…

Each script runs as with `python SCRIPT`. The log of `served.py` is `served.log`.
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

if __name__ == "__main__":
    scripts = sys.argv[1:]
    for script in scripts:
        if os.fork() == 0:
            with open(Path(script).with_suffix(".log"), "wb") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            sys.argv = [script]
            runpy.run_path(script, run_name="__main__")
            os._exit(0)
        time.sleep(0.5)  # Scripts that start at the same time would occupy all cores.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # The served flows end first.
    for _ in scripts:
        os.wait()
