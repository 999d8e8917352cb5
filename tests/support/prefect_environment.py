"""Environment of processes that use the Prefect server of the tests."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from prefect.settings import get_current_settings

from tests.support.paths import ROOT


def prefect_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with the Prefect settings of the tests.

    Args:
        variables: More variables, which replace others with the same names.
    """
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    return {**os.environ, **settings, "PYTHONPATH": import_path(), **variables}


@cache
def import_path(folder: Path = ROOT) -> str:
    """Return the import path of processes without the extra `plots`, which draws charts.

    The import of matplotlib and the charts take a tenth of the time of a small flow run.

    Args:
        folder: The first folder of the path.
    """
    blocked = tempfile.mkdtemp(prefix="without-plots-")
    atexit.register(shutil.rmtree, blocked, ignore_errors=True)
    Path(blocked, "matplotlib.py").write_text("raise ImportError('blocked by the tests')")
    return os.pathsep.join((str(folder), blocked))
