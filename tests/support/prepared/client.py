"""Run a process of Prefect as a fork of a process that has already imported Prefect.

The tests copy this file as `sitecustomize.py` to a folder of the import path, next to a file that
describes the server. Python imports the file at the start of each process. If the process would run
a module of Prefect with the interpreter of the server, the server forks.

The process passes arguments, environment, working directory and standard streams to the fork,
forwards signals to the fork, and ends with the status of the fork. A process that is killed takes
the fork with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import struct
import sys
from typing import NoReturn

_MODULES = (
    "prefect",
    "prefect.engine",
    "prefect.flow_engine",
    "prefect.runner._workspace_supervisor",
    "prefect_stac_asset.deployments.server_process",
)
_SCRIPT = os.sep + os.path.join("prefect", "runner", "_workspace_runtime_bootstrap.py")
# Prefect starts the runs of `serve` with `multiprocessing`, which passes two pipes.
_SPAWNED = re.compile(
    r"from multiprocessing\.spawn import spawn_main; "
    r"spawn_main\(tracker_fd=(\d+), pipe_handle=(\d+)\)"
)
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _is_prepared(arguments: list[str]) -> bool:
    """Return whether the server has imported the module of a command line.

    Args:
        arguments: The arguments of the interpreter.
    """
    if sys.prefix != _server()["prefix"]:
        return False
    if arguments[:1] == ["-m"]:
        return arguments[1] in _MODULES
    if arguments[:1] == ["-c"]:
        return _SPAWNED.fullmatch(arguments[1]) is not None
    return bool(arguments) and arguments[0].endswith(_SCRIPT)


def _descriptors(arguments: list[str]) -> list[int]:
    """Return the file descriptors that the fork gets: the standard streams, and inherited pipes."""
    spawned = _SPAWNED.fullmatch(arguments[1]) if arguments[0] == "-c" else None
    return [0, 1, 2, *(map(int, spawned.groups()) if spawned else ())]


def _server() -> dict[str, str]:
    """Return the path of the socket, and the prefix of the interpreter of the server."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "prepared.json")
    with open(path) as file:
        described: dict[str, str] = json.load(file)
    return described


def _connect() -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(_server()["socket"])
    except OSError:  # The tests have ended.
        return None
    return connection


def _run(connection: socket.socket, arguments: list[str]) -> NoReturn:
    """Run a command line in a fork of the server, and end with the same status."""
    descriptors = _descriptors(arguments)
    request = json.dumps(
        {
            "executable": sys.executable,
            "arguments": arguments,
            "environment": dict(os.environ),
            "folder": os.getcwd(),
            "descriptors": descriptors,
            "ignored": [n for n in _FORWARDED if signal.getsignal(n) is signal.SIG_IGN],
        }
    ).encode()
    socket.send_fds(connection, [struct.pack("!q", len(request))], descriptors)
    connection.sendall(request)
    fork = _receive(connection)
    for descriptor in descriptors[3:]:  # The other ends of the pipes notice the end of the fork.
        os.close(descriptor)
    for number in _FORWARDED:
        signal.signal(number, lambda received, _: _kill(fork, received))
    status = _receive(connection)
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _kill(fork: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # The fork may just have ended.
        os.kill(fork, number)


def _receive(connection: socket.socket) -> int:
    data = connection.recv(8, socket.MSG_WAITALL)
    if len(data) < 8:
        os._exit(70)
    (number,) = struct.unpack("!q", data)
    return int(number)


if __name__ == "sitecustomize":
    # `multiprocessing` passes PYTHONDONTWRITEBYTECODE as an option.
    _arguments = sys.orig_argv[2 if sys.orig_argv[1:2] == ["-B"] else 1 :]
    if _is_prepared(_arguments) and (_connection := _connect()) is not None:
        _run(_connection, _arguments)
