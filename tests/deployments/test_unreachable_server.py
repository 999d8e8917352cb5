"""Commands without a reachable Prefect server."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from prefect_stac_asset.deployments.__main__ import main
from prefect_stac_asset.deployments.local_stack.background import Background, StackError
from prefect_stac_asset.deployments.local_stack.stack import Stack
from prefect_stac_asset.deployments.prefect_yaml import FILE
from stac_asset.testing import Origin, Status
from tests.support.deployments_cli import run_deployments_cli
from tests.support.servers import free_port


@pytest.mark.parametrize("command", ["deploy", "serve", "automate flow/name"])
@pytest.mark.parametrize("is_other_server", [False, True], ids=["port closed", "other HTTP server"])
def test_command_reports_unreachable_server(
    command: str,
    is_other_server: bool,
    origin: Origin,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The response of a Prefect server to URLs without /api.
    for path in ("/deployments/name/flow/name", "/work_pools/stac-asset", "/block_types/"):
        origin.put(path, b"<html></html>")
    url = origin.url if is_other_server else f"http://127.0.0.1:{free_port()}/api"
    monkeypatch.setattr(sys, "argv", ["deployments", *command.split()])
    with (
        temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: tmp_path}),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (1, "")
    (error,) = printed.err.splitlines()
    assert error.startswith(f"error: Prefect's API {url} ")
    assert error.endswith(". Check `PREFECT_API_URL`.")
    assert ("is unreachable (" in error) is not is_other_server


@pytest.mark.parametrize("command", ["deploy", "serve", "automate flow/name"])
def test_command_without_configured_server_starts_no_server(command: str, tmp_path: Path) -> None:
    """Prefect's client would start a temporary server, which sends usage statistics."""
    done = run_deployments_cli(*command.split(), PREFECT_HOME=str(tmp_path / "home"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: No Prefect server is configured. Set `PREFECT_API_URL`")
    assert not (tmp_path / "home" / "prefect.db").exists()


def test_command_repeats_requests_after_503(origin: Origin) -> None:
    """A server on SQLite responds with 503 if another transaction was faster."""
    path = "/deployments/name/flow/busy"
    origin.remove(path)
    origin.fault(path, Status(503, retry_after=0), times=3)
    done = run_deployments_cli("automate", "flow/busy", PREFECT_API_URL=origin.url)
    assert done.stderr.startswith("error: Deployment 'flow/busy' does not exist.")
    assert len(origin.gets(path)) == 4


# `Stack` does not wait for the background processes that it starts.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
async def test_down_stops_processes_if_server_does_not_respond(tmp_path: Path) -> None:
    stack = Stack(tmp_path, free_port())
    processes = [Background(name, tmp_path) for name in ("server", "worker-pool")]
    for process in processes:
        process.start(["sleep", "600"], {})
    warning, *stopped = [line async for line in stack.down()]
    assert warning.startswith("no run was cancelled: Prefect server returned an error (")
    assert stopped == ["worker-pool was stopped", "server was stopped"]
    assert [process.pid() for process in processes] == [None, None]


def test_folder_of_up_and_down_can_be_in_the_home_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        monkeypatch.setattr(sys, "argv", ["deployments", "up", "--folder", "~/up", "--port", port])
        with pytest.raises(SystemExit):
            main()
    assert f"Cannot listen on port {port} (" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["up"]
    monkeypatch.setattr(sys, "argv", ["deployments", "down", "--folder", "~/up"])
    main()
    assert capsys.readouterr().out == "Nothing is running.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["up"]


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_up_names_an_unreachable_database_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script takes the place of Prefect's server, which needs seconds for its start."""
    server = tmp_path / "python"
    log = "Traceback (most recent call last):\n  File\nOSError: no connection\nServer stopped!"
    server.write_text(f"#!/bin/sh\ncat <<END\n{log}\nEND\nexit 3\n")
    server.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(server))
    database = "postgresql+asyncpg://user:s3cret@127.0.0.1:1/name"
    stack = Stack(tmp_path / "up", free_port(), database)
    with pytest.raises(StackError) as raised:
        [line async for line in stack.up(FILE)]
    assert str(raised.value) == (
        f"server stopped unexpectedly with DATABASE '{database.replace('s3cret', '***')}': "
        f"OSError: no connection. See {tmp_path}/up/server.log."
    )
