"""The virtual environment of the PyPI package `stac-asset`, and the folder that is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.measure import ROOT, BenchError

BUILD = ROOT / "build" / "bench"
"""Folder that is kept between runs: the virtual environment of the peer, and the results."""


def peer_python() -> Path:
    """Return the Python of the peer's virtual environment, which the first call creates.

    Raises:
        BenchError: The environment cannot be created.
    """
    python = BUILD / "peer" / "bin" / "python"
    stamp = BUILD / "peer" / "installed"
    if not stamp.exists():
        print("Installing the package stac-asset of PyPI into build/bench/peer ...", flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", BUILD / "peer"], check=True)
            install = [str(python), "-m", "pip", "install", "--quiet", "stac-asset[cli]==0.4.8"]
            subprocess.run(install, check=True)
        except subprocess.CalledProcessError as error:
            raise BenchError(
                f"cannot create the virtual environment of the peer: {error}"
            ) from None
        stamp.touch()
    return python
