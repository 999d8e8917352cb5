"""Environment of processes that use the Prefect server of the tests."""

from __future__ import annotations

import os

from prefect.settings import get_current_settings

from tests.support.paths import ROOT


def prefect_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with the Prefect settings of the tests.

    Args:
        variables: More variables, which replace others with the same names.
    """
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    return {**os.environ, **settings, "PYTHONPATH": str(ROOT), **variables}
