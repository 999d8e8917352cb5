"""A Prefect server that is not there, or none, is one sentence, and no traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from prefect_stac_asset.deployments.__main__ import main
from prefect_stac_asset.deployments.background import Background
from prefect_stac_asset.deployments.local_stack import Stack
from stac_asset.testing import Origin
from tests.servers import free_port


@pytest.mark.parametrize("command", ["deploy", "serve", "automate flow/name"])
@pytest.mark.parametrize("listens", [False, True], ids=["nobody listens", "no server of Prefect's"])
def test_command_says_in_one_sentence_that_the_server_is_not_there(
    command: str,
    listens: bool,
    origin: Origin,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The page that Prefect's server gives for what has no /api in front of it.
    for path in ("/deployments/name/flow/name", "/work_pools/stac-asset", "/block_types/"):
        origin.put(path, b"<html></html>")
    url = origin.url if listens else f"http://127.0.0.1:{free_port()}/api"
    monkeypatch.setattr(sys, "argv", ["deployments", *command.split()])
    with (
        temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: tmp_path}),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (1, "")
    (sentence,) = printed.err.splitlines()
    assert sentence.startswith(f"error: Prefect's API {url} ")
    assert sentence.endswith(". Check `PREFECT_API_URL`.")
    assert ("is unreachable (" in sentence) is not listens


# Whoever starts processes in the background does not wait for them.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
async def test_down_ends_what_runs_though_its_server_says_nothing(tmp_path: Path) -> None:
    stack = Stack(tmp_path, free_port())
    processes = [Background(name, tmp_path) for name in ("server", "worker-pool")]
    for process in processes:
        process.start(["sleep", "600"], {})
    said, *others = [line async for line in stack.down()]
    assert said.startswith("no run was cancelled: Prefect server returned an error (")
    assert others == ["worker-pool was stopped", "server was stopped"]
    assert [process.pid() for process in processes] == [None, None]
