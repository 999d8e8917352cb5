"""Server that forks processes of Prefect. `client.py` describes the purpose.

    python -m tests.support.prepared.server SOCKET

The import of Prefect takes one to two seconds of a core, and each flow run of a worker imports
Prefect twice. The server imports Prefect once. It has no threads, and ends when no test process is
connected.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import logging
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

_IMPORTED = (
    "prefect.main",
    "prefect.cli.worker",
    "prefect.engine",
    "prefect.flow_engine",
    "prefect.runner._workspace_supervisor",
    "prefect.server.api.server",
    "prefect.workers.process",
    "prefect_stac_asset.deployments.block_checks",
    "prefect_stac_asset.deployments.automations",
    "prefect_stac_asset.deployments.commands",
    "prefect_stac_asset.flows.auditing.flow",
    "prefect_stac_asset.flows.check.flow",
    "prefect_stac_asset.flows.distribution.batch",
    "prefect_stac_asset.flows.download.item",
    "prefect_stac_asset.flows.download.item_collection",
    "prefect_stac_asset.flows.mirror.flow",
    "prefect_stac_asset.flows.verification.flow",
    "stac_asset.destinations.s3",
)


class _Server:
    """Connections of test processes and of clients, and the fork of each client."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._clients: dict[int, socket.socket] = {}
        self._ended, ended = socket.socketpair()
        for end in (self._ended, ended):
            end.setblocking(False)
        signal.set_wakeup_fd(ended.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._ended, selectors.EVENT_READ)
        self._wakeup = ended

    def serve(self) -> None:
        """Serve until the last connection is closed, or no process connects within ten minutes."""
        is_used = False
        while not is_used or len(self._selector.get_map()) > 2:
            ready = self._selector.select(None if is_used else 600)
            if not ready and not is_used:
                return
            for key, _ in ready:
                if key.fileobj is self._listener:
                    is_used = True
                    self._selector.register(self._listener.accept()[0], selectors.EVENT_READ)
                elif key.fileobj is self._ended:
                    self._ended.recv(4096)
                    self._report_ended()
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._read(key.fileobj)

    def _read(self, connection: socket.socket) -> None:
        """Fork for a new client, or kill the fork of a client that has ended."""
        try:
            header, streams, _, _ = socket.recv_fds(connection, 8, 250, socket.MSG_WAITALL)
        except OSError:
            header, streams = b"", []
        if len(header) < 8:
            self._close(connection)
            return
        (size,) = struct.unpack("!q", header)
        try:
            request = json.loads(connection.recv(size, socket.MSG_WAITALL))
        except (OSError, ValueError):  # The client was killed while it sent the request.
            for stream in streams:
                os.close(stream)
            self._close(connection)
            return
        fork = os.fork()
        if fork == 0:
            self._become(request, streams)
        for stream in streams:
            os.close(stream)
        self._clients[fork] = connection
        with contextlib.suppress(OSError):  # The end of a killed client is read next.
            connection.sendall(struct.pack("!q", fork))

    def _close(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        connection.close()
        for fork, client in self._clients.items():
            if client is connection:
                os.kill(fork, signal.SIGKILL)

    def _report_ended(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                connection = self._clients.pop(ended[0])
                if connection.fileno() >= 0:
                    with contextlib.suppress(OSError):
                        connection.sendall(struct.pack("!q", ended[1]))
                    self._close(connection)

    def _become(self, request: dict[str, Any], streams: list[int]) -> None:
        """Turn the fork into the process of a request."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in request["ignored"]:
            signal.signal(number, signal.SIG_IGN)
        # Duplicates above all numbers do not replace descriptors that are not yet in place.
        copies = [fcntl.fcntl(stream, fcntl.F_DUPFD, 512) for stream in streams]
        os.closerange(3, 512)
        for copy, number in zip(copies, request["descriptors"], strict=True):
            os.dup2(copy, number)
            os.close(copy)
        _run(request)


def _run(request: dict[str, Any]) -> None:
    """Run the command line of a request, and end the process."""
    status = 1
    try:
        arguments: list[str] = request["arguments"]
        kind = arguments[0] if arguments[0] in ("-m", "-c") else "script"
        sys.executable = request["executable"]
        sys.orig_argv = [sys.executable, *arguments]
        sys.argv = {"-m": arguments[1:], "-c": ["-c", *arguments[2:]]}.get(kind, arguments)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        folders = {"-m": request["folder"], "-c": ""}
        first = folders.get(kind, str(Path(arguments[0]).resolve().parent))
        sys.path[:] = [first, *os.environ["PYTHONPATH"].split(os.pathsep), *_LIBRARIES]
        importlib.invalidate_caches()
        _set_up_prefect()
        if kind == "-m":
            if not hasattr(sys.modules.get(sys.argv[0]), "__path__"):
                sys.modules.pop(sys.argv[0], None)  # The module runs anew, and is not imported.
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        elif kind == "-c":
            main = sys.modules["__main__"] = ModuleType("__main__")
            exec(compile(arguments[1], "<string>", "exec", dont_inherit=True), main.__dict__)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        status = 130
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _end(status)


def _set_up_prefect() -> None:
    """Read the settings of Prefect again, and configure logging."""
    import prefect.context
    import prefect.logging.configuration as logs

    prefect.context.GLOBAL_SETTINGS_CONTEXT = prefect.context.root_settings_context()
    logs.PROCESS_LOGGING_CONFIG.clear()
    logs.setup_logging()


def _end(status: int) -> None:
    """End the process as Python ends: join threads, run exit handlers, flush streams."""
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        import atexit

        atexit._run_exitfuncs()
        logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    _LIBRARIES = [entry for entry in sys.path[1:] if entry not in path]
    gc.disable()
    for module in _IMPORTED:
        # The lowest supported Prefect does not have all modules.
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module)
    for collection in entry_points(group="prefect.collections"):
        # Each worker loads all collections. The imports take two seconds of a core.
        collection.load()
    importlib.import_module("tests.support.schema_checks").check_schemas_once()
    assert threading.active_count() == 1, threading.enumerate()
    gc.enable()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # A terminal interrupts the forks' clients.
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(sys.argv[1] + ".new")
        listening.listen(64)
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        _Server(listening).serve()
        os.unlink(sys.argv[1])
