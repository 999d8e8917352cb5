"""Ports of local servers, which are checked before anything starts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_stac_asset.deployments.init.choices import Choices
from prefect_stac_asset.deployments.init.next_steps import next_steps, numbered
from prefect_stac_asset.deployments.pools import POOL_TYPES
from prefect_stac_asset.deployments.ports import check_arguments, free_port, listen_problem
from stac_asset.errors import ConfigError
from tests.support.deployments_cli import run_deployments_cli


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another server listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_free_port_skips_ports_in_use(taken: int) -> None:
    assert listen_problem(taken) == "Address already in use"
    port = free_port(taken)
    assert port > taken
    assert listen_problem(port) is None


@pytest.mark.parametrize("form", ["--port {}", "--port={}", "--host 127.0.0.1 --port 1 --port {}"])
def test_server_on_a_port_in_use_is_refused_in_one_sentence(taken: int, form: str) -> None:
    with pytest.raises(ConfigError) as info:
        check_arguments(form.format(taken).split(), "127.0.0.1", 4200)
    assert str(info.value) == (
        f"Cannot listen on port {taken} of 127.0.0.1 (Address already in use). Choose another port "
        f"with `--port {free_port(taken + 1)}`."
    )


def test_arguments_without_a_port_in_use_are_accepted(taken: int) -> None:
    for arguments in (["--port", str(free_port(taken))], ["--port", "x"], ["--help"]):
        check_arguments(arguments, "127.0.0.1", taken)
    with pytest.raises(ConfigError, match=f"port {taken} of 0.0.0.0 "):
        check_arguments(["--host", "0.0.0.0"], "127.0.0.1", taken)
    with pytest.raises(ConfigError, match=r"port 99999 .*`--port 4\d+`"):
        check_arguments(["--port", "99999"], "127.0.0.1", 4200)


def test_command_refuses_a_port_in_use(taken: int) -> None:
    done = run_deployments_cli("server", "--host", "127.0.0.1", "--port", str(taken))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: Cannot listen on port {taken} of 127.0.0.1 (Address ")


def test_steps_of_init_name_the_free_port(tmp_path: Path) -> None:
    kind = POOL_TYPES["process"]
    choices = Choices(tmp_path, "prefect.yaml", (), True, kind, "pool", "image")
    text = "\n".join(numbered(next_steps(choices, None, tmp_path, port=4305)))
    assert "python -m prefect_stac_asset server --port 4305\n" in text
    assert "export PREFECT_API_URL=http://127.0.0.1:4305/api\n" in text
