"""Run scripts that serve or deploy flows, each in a forked process that shares the imports.

    python -m tests.support.served_flows SCRIPT…

Each script runs as with `python SCRIPT`.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import time

import prefect

from prefect_stac_asset import flows

__all__ = ["flows", "prefect"]

if __name__ == "__main__":
    scripts = sys.argv[1:]
    for script in scripts:
        if os.fork() == 0:
            sys.argv = [script]
            runpy.run_path(script, run_name="__main__")
            os._exit(0)
        time.sleep(0.5)  # Scripts that start at the same time would occupy all cores.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # The served flows end first.
    for _ in scripts:
        os.wait()
