"""Scripts of `examples/` that are started twice, or without arguments."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

from tests.support.paths import ROOT
from tests.support.prefect_environment import PREPARED_PYTHON, import_path


def run_example(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script of `examples/` without input."""
    return subprocess.run(
        [*PREPARED_PYTHON, str(ROOT / "examples" / name), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": import_path()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", ["archive.py", "local_api.py"])
def test_server_on_a_port_in_use_ends_with_advice(name: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run_example(name, port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Cannot listen on port {port}: Address already in use. Choose another port: python "
        f"examples/{name} {port + 1}\n"
    )


@pytest.mark.parametrize(
    "name",
    [
        "call_deployment.py",
        "make_data.py",
        "notify.py",
        "own_tasks.py",
        "run_flow.py",
        "subflow.py",
    ],
)
def test_script_without_arguments_shows_the_usage(name: str) -> None:
    done = run_example(name)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Usage: python examples/{name} ")
    usage = done.stderr.removeprefix("Usage: ").strip()
    assert usage in (ROOT / "examples" / name).read_text().partition("from __future__")[0]
