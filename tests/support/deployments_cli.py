"""The command line `python -m prefect_stac_asset.deployments`, run in the process of the tests."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from prefect.context import use_profile
from prefect.settings import Profile

from prefect_stac_asset.deployments.__main__ import main
from tests.support.paths import ROOT
from tests.support.prefect_environment import global_settings
from tests.support.server_logs import unexpected_errors


@dataclass(frozen=True)
class Finished:
    """A finished command: the exit status, and the text written to the two standard streams."""

    returncode: int
    stdout: str
    stderr: str


def run_deployments_cli(*arguments: str, **environment: str) -> Finished:
    """Run a command in the environment of a new shell. Fail the test if the command logs an error.

    A new process would import Prefect for three seconds. `test_fresh_clone.py` runs the commands
    `up` and `down` as processes.

    Args:
        arguments: The arguments of the command line.
        environment: Environment variables. Those of Prefect and of `make up` are not inherited.
    """
    removed = ("PREFECT_", "PORT", "DATABASE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(removed)}
    stdout, stderr = io.StringIO(), io.StringIO()
    status = 0
    with (
        pytest.MonkeyPatch.context() as patch,
        _environment({**kept, **environment}),
        _logs(stderr),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        contextlib.chdir(ROOT),
        warnings.catch_warnings(),
    ):
        patch.setattr(sys, "argv", ["deployments", *arguments])
        # The processes that `up` starts outlive the command, and so do Prefect's connections.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        gc.collect()
    done = Finished(status, stdout.getvalue(), stderr.getvalue())
    assert unexpected_errors(done.stdout + "\n" + done.stderr) == []
    return done


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Replace the environment variables and the settings of Prefect."""
    with contextlib.ExitStack() as restored:
        restored.callback(_set_environment, dict(os.environ))
        _set_environment(variables)
        profile = Profile(name="test", settings={})
        context = restored.enter_context(use_profile(profile, include_current_context=False))
        restored.enter_context(global_settings(context))
        yield


def _set_environment(variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


@contextlib.contextmanager
def _logs(stream: io.StringIO) -> Iterator[None]:
    """Write logged errors to a stream, as the console handlers of a new process would."""
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.ERROR)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s - %(message)s"))
    loggers = [logging.getLogger(name) for name in (None, "prefect")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
