"""The origin in a separate process, and the command `python -m stac_asset.testing`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stac_asset.testing import OriginProcess, content
from tests.support.http_requests import send_request, summarize_reply
from tests.support.paths import ROOT
from tests.support.processes import block_until


def test_process_serves_directory_and_records_requests(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "item.json").write_text("{}")
    with OriginProcess(tmp_path, bytes_per_second=50_000_000, latency=0.01) as origin:
        assert send_request(origin.href("/a/item.json")).body == b"{}"
        assert send_request(origin.href("/b?size=100000")).body == content("/b", 100_000)
        assert origin.bytes_sent == 100_002
        send_request(origin.href("/c d"), "HEAD")
        assert [request.path for request in origin.requests] == ["/a/item.json", "/b", "/c d"]
        assert origin.gets("/b")[0].query == "size=100000"
        assert len(origin.heads()) == 1
        pid = origin.pid
    assert len(origin.requests) == 3
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RuntimeError, match="once"), origin:
        pass


def test_strict_process_with_random_faults_serves_no_file() -> None:
    with OriginProcess(fault_rate=1, strict=True, seed=3) as origin:
        results = {summarize_reply(origin.href("/a")) for _ in range(12)}
    assert len(results) > 1
    assert not any(result.startswith("200") for result in results)


def test_process_that_fails_to_start_raises_runtime_error() -> None:
    origin = OriginProcess("/no/such/folder", fault_rate=7)
    with pytest.raises(RuntimeError, match="ended with code"), origin:
        pass


def start_python(*arguments: str, code: str = "", **environment: str) -> subprocess.Popen[str]:
    command = ["-c", code] if code else ["-m", "stac_asset.testing"]
    return subprocess.Popen(
        [sys.executable, *command, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_command_writes_log_and_ends_on_signal(
    tmp_path: Path, signal_number: signal.Signals
) -> None:
    log = tmp_path / "log.ndjson"
    log.write_text("before\n")
    with start_python("--log", str(log), "--parent-pid", "auto", "--port", "0") as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        assert send_request(f"{url}/a?size=5").body == content("/a", 5)
        process.send_signal(signal_number)
        assert process.wait(60) == 0
    before, line = log.read_text().splitlines()
    assert before == "before"
    assert json.loads(line)["body_sent"] == 5


def test_command_ends_when_stdin_closes() -> None:
    with start_python("--until-stdin-closes") as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.mark.parametrize("started_from", ["python", "command"])
def test_process_ends_when_parent_is_killed(tmp_path: Path, started_from: str) -> None:
    if started_from == "command":
        code = (
            "import subprocess, sys\n"
            "command = [sys.executable, '-m', 'stac_asset.testing', '--parent-pid', 'auto']\n"
            "process = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
            "print(process.pid, process.stdout.readline().decode(), flush=True)\n"
        )
    else:
        code = (
            "from stac_asset.testing import OriginProcess\n"
            "origin = OriginProcess().__enter__()\n"
            "print(origin.pid, '{\"url\": \"' + origin.url + '\"}', flush=True)\n"
        )
    with start_python(code=code + "input()\n", TMPDIR=str(tmp_path)) as parent:
        assert parent.stdout is not None
        _, _, ready = parent.stdout.readline().partition(" ")
        address = urlsplit(json.loads(ready)["url"])
        parent.kill()

    def is_gone() -> bool:
        try:
            socket.create_connection((str(address.hostname), address.port), timeout=60).close()
        except ConnectionRefusedError:
            return True
        except OSError:  # The origin accepted the connection just before its end.
            return False
        return False

    block_until(is_gone)
