"""Processes of Prefect that start as forks behave as other processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import prefect
import pytest

from tests.support.prefect_environment import PREPARED_PYTHON, import_path
from tests.support.processes import block_until


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Path of a script that runs in a fork."""
    path = tmp_path / "prefect" / "runner" / "_workspace_runtime_bootstrap.py"
    path.parent.mkdir(parents=True)
    return path


def start(
    *arguments: str | Path,
    folder: Path,
    python: Sequence[str] = (sys.executable,),
    **environment: str,
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*python, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": import_path(), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_fork_has_arguments_environment_folder_and_streams(script: Path, tmp_path: Path) -> None:
    script.write_text(
        "import os, sys\n"
        "modules = 'prefect.flow_engine' in sys.modules\n"
        "print(modules, sys.argv[1:], os.environ['NAME'], os.getcwd(), sys.stdin.read())\n"
        "print(sys.path[0], file=sys.stderr)\n"
        "sys.exit(3)\n"
    )
    process = start(script, "a", "b c", folder=tmp_path, NAME="value")
    out, err = process.communicate("text")
    assert out == f"True ['a', 'b c'] value {tmp_path} text\n"
    assert err == f"{script.parent}\n"
    assert process.returncode == 3


def test_fork_reads_settings_of_prefect(script: Path, tmp_path: Path) -> None:
    script.write_text("from prefect.settings import PREFECT_API_URL as u; print(u.value())")
    process = start(script, folder=tmp_path, PREFECT_API_URL="http://127.0.0.1:1/api")
    assert process.communicate() == ("http://127.0.0.1:1/api\n", "")


def test_module_runs_in_a_fork(tmp_path: Path) -> None:
    process = start("-m", "prefect", "--version", folder=tmp_path)
    assert process.communicate() == (f"{prefect.__version__}\n", "")
    assert process.returncode == 0


def test_option_runs_any_program_in_a_fork(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "def function(number: int) -> None: ...\n"
        "print('prefect.flow_engine' in sys.modules, __name__, sys.argv, sys.path[0])\n"
        "print(function.__annotations__['number'], function.__module__, '_Server' in globals())\n"
    )
    process = start("-c", code, "a", folder=tmp_path, python=PREPARED_PYTHON)
    assert process.communicate() == (
        "True __main__ ['-c', 'a'] \n<class 'int'> __main__ False\n",
        "",
    )
    (tmp_path / "program.py").write_text(code)
    process = start("program.py", "a", folder=tmp_path, python=PREPARED_PYTHON)
    assert process.communicate() == (
        f"True __main__ ['program.py', 'a'] {tmp_path}\n<class 'int'> __main__ False\n",
        "",
    )


def test_services_of_forked_servers_run_often(tmp_path: Path) -> None:
    code = (
        "import inspect\n"
        "from prefect.server.services import scheduler\n"
        "for service in (scheduler.schedule_deployments, scheduler.schedule_recent_deployments):\n"
        "    print(inspect.signature(service).parameters['perpetual'].default.every.seconds)\n"
    )
    process = start("-c", code, folder=tmp_path, python=PREPARED_PYTHON)
    assert process.communicate() == ("10\n2\n", "")


def test_traceback_of_a_fork_is_printed(script: Path, tmp_path: Path) -> None:
    script.write_text("raise ValueError('wrong')")
    process = start(script, folder=tmp_path)
    assert process.communicate()[1].endswith("ValueError: wrong\n")
    assert process.returncode == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_reaches_the_fork(script: Path, tmp_path: Path, number: signal.Signals) -> None:
    script.write_text(
        "import signal, sys\n"
        f"signal.signal({number}, lambda *_: sys.exit(5))\n"
        "print('ready', flush=True)\n"
        "signal.pause()\n"
    )
    with start(script, folder=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(60) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_signal_ends_process_and_fork(script: Path, tmp_path: Path, number: signal.Signals) -> None:
    script.write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n")
    with start(script, folder=tmp_path) as process:
        assert process.stdout is not None
        fork = Path(f"/proc/{int(process.stdout.readline())}")
        assert fork.exists()
        process.send_signal(number)
        assert process.wait(60) == -number
        block_until(lambda: not fork.exists())


@pytest.mark.parametrize("sent", [b"", b"{", b'{"arguments": ['])
def test_client_that_is_killed_during_its_request_ends_alone(
    script: Path, tmp_path: Path, sent: bytes
) -> None:
    described = Path(import_path().rpartition(os.pathsep)[2], "prepared.json").read_text()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(json.loads(described)["socket"])
        connection.sendall(struct.pack("!q", 100) + sent)
    script.write_text("import sys\nprint('prefect.flow_engine' in sys.modules)\n")
    assert start(script, folder=tmp_path).communicate()[0] == "True\n"


def test_killed_fork_ends_the_process(script: Path, tmp_path: Path) -> None:
    script.write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n")
    with start(script, folder=tmp_path) as process:
        assert process.stdout is not None
        os.kill(int(process.stdout.readline()), signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
        assert process.stdout.read() == ""


def test_spawned_process_runs_in_a_fork(script: Path, tmp_path: Path) -> None:
    """`multiprocessing` passes the function, and a pipe for the end of the parent process."""
    script.write_text(
        "import multiprocessing, sys\n"
        "def work(number):\n"
        "    assert 'prefect.flow_engine' in sys.modules\n"
        "    sys.exit(number)\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context('spawn').Process(target=work, args=(7,))\n"
        "    child.start()\n"
        "    child.join()\n"
        "    print(child.exitcode)\n"
    )
    process = start(script, folder=tmp_path)
    assert process.communicate() == ("7\n", "")
