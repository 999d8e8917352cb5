"""Environment of processes that use the Prefect server of the tests."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import prefect.context
import trustme
from prefect.context import SettingsContext
from prefect.settings import get_current_settings

from tests.support.paths import ROOT
from tests.support.prepared import prepare_processes

PREPARED_PYTHON = (sys.executable, "-X", "prepared")
"""Interpreter that runs any program as a fork, if `PYTHONPATH` is `import_path()`."""


def prefect_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with the Prefect settings of the tests.

    Args:
        variables: More variables, which replace others with the same names.
    """
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    return {**os.environ, **settings, "PYTHONPATH": import_path(), **variables}


@contextmanager
def global_settings(context: SettingsContext) -> Iterator[None]:
    """Replace the global settings of Prefect, which new threads read.

    Args:
        context: The settings.
    """
    previous = prefect.context.GLOBAL_SETTINGS_CONTEXT
    prefect.context.GLOBAL_SETTINGS_CONTEXT = context
    try:
        yield
    finally:
        prefect.context.GLOBAL_SETTINGS_CONTEXT = previous


def import_path(folder: Path = ROOT) -> str:
    """Return the import path of processes of Prefect, which start as forks.

    Args:
        folder: The first folder of the path.
    """
    return os.pathsep.join((str(folder), _prepared_folder()))


@cache
def _prepared_folder() -> str:
    """Return a folder with a `sitecustomize.py` that starts processes as forks."""
    folder = _temporary_folder()
    prepare_processes(Path(folder))
    return folder


@cache
def certificates() -> str:
    """Return the path of a file with a single CA certificate.

    Each client of Prefect loads the CA certificates. The default file takes 20 to 60 ms.
    """
    path = Path(_temporary_folder(), "ca.pem")
    trustme.CA().cert_pem.write_to_path(path)
    return str(path)


def _temporary_folder() -> str:
    """Return a new folder, which is removed at the end of the process."""
    folder = tempfile.mkdtemp(prefix="stac-asset-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
