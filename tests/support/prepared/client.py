"""Run a process of Prefect as a fork of a process that has already imported Prefect.

The tests copy this file as `sitecustomize.py` to a folder of the import path, next to a file that
describes the server. Python imports the file at the start of each process. If the process would run
a module of Prefect with the interpreter of the server, the server forks. Any other module, program
or script runs in a fork if the interpreter has the option `-X prepared`. The remaining processes
only compare their arguments.

The process passes arguments, environment, working directory, standard streams and inherited pipes
to the fork, forwards signals to the fork, and ends with the status of the fork. A process that is
killed takes the fork with it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from socket import socket

_MODULES = (
    "prefect",
    "prefect.engine",
    "prefect.flow_engine",
    "prefect.runner._workspace_supervisor",
    "prefect_stac_asset.deployments",
    "prefect_stac_asset.deployments.server_process",
    "tests.support.served_flows",
    "tests.support.served_tasks",
    "uvicorn",  # Temporary servers of Prefect.
)
_OPTION = ["-X", "prepared"]
_SCRIPTS = (
    os.sep + os.path.join("prefect", "runner", "_workspace_runtime_bootstrap.py"),
    os.path.join("examples", "run_flow.py"),  # `examples/demo.py` starts this script.
)
# Prefect and Dask start processes with `multiprocessing`.
_SPAWNED = "from multiprocessing.spawn import spawn_main; spawn_main("


def _program(options: list[str]) -> list[str] | None:
    """Return the program and its arguments, or None if the process is no fork.

    Args:
        options: The arguments of the interpreter.
    """
    if options[:2] == _OPTION:
        return options[2:]
    # `multiprocessing` passes PYTHONDONTWRITEBYTECODE as an option.
    arguments = options[1 if options[:1] == ["-B"] else 0 :]
    return arguments if _is_prepared(arguments) else None


def _is_prepared(arguments: list[str]) -> bool:
    """Return whether the server has imported the module of a command line."""
    if arguments[:1] == ["-m"]:
        return arguments[1] in _MODULES
    if arguments[:1] == ["-c"]:
        return arguments[1].startswith(_SPAWNED)
    return bool(arguments) and arguments[0].endswith(_SCRIPTS)


def _connect() -> socket | None:
    """Return a connection to the server, or None if no server fits the interpreter."""
    import json
    import socket

    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "prepared.json")
    with open(path) as file:
        server = json.load(file)
    if sys.prefix != server["prefix"]:
        return None
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(server["socket"])
    except OSError:  # The tests have ended.
        connection.close()
        return None
    return connection


def _run(connection: socket, arguments: list[str]) -> NoReturn:
    """Run a command line in a fork of the server, and end with the same status."""
    import json
    import signal
    import socket
    import struct

    forwarded = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    descriptors = _inherited()
    request = json.dumps(
        {
            "executable": sys.executable,
            "arguments": arguments,
            "environment": dict(os.environ),
            "folder": os.getcwd(),
            "descriptors": descriptors,
            "ignored": [n for n in forwarded if signal.getsignal(n) is signal.SIG_IGN],
        }
    ).encode()
    socket.send_fds(connection, [struct.pack("!q", len(request))], descriptors)
    connection.sendall(request)
    fork = _receive(connection)
    for descriptor in descriptors[3:]:  # The other ends of the pipes notice the end of the fork.
        os.close(descriptor)
    for number in forwarded:
        signal.signal(number, lambda received, _: _kill(fork, received))
    status = _receive(connection)
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) in forwarded:
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _inherited() -> list[int]:
    """Return the file descriptors of the standard streams, and those of inherited pipes."""
    opened = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    pipes = []
    for number in opened:
        try:
            if number > 2 and os.get_inheritable(number):
                pipes.append(number)
        except OSError:  # The descriptor of the listed folder.
            continue
    return [0, 1, 2, *pipes]


def _kill(fork: int, number: int) -> None:
    try:
        os.kill(fork, number)
    except ProcessLookupError:  # The fork has just ended.
        return


def _receive(connection: socket) -> int:
    import socket
    import struct

    data = connection.recv(8, socket.MSG_WAITALL)
    if len(data) < 8:
        os._exit(70)
    (number,) = struct.unpack("!q", data)
    return int(number)


if __name__ == "sitecustomize":
    _arguments = _program(sys.orig_argv[1:])
    if _arguments is not None and (_connection := _connect()) is not None:
        _run(_connection, _arguments)
