"""The command `python -m stac_asset.testing`, which runs an origin in a separate process.

The process prints `{"url": …}` when the origin serves. It ends on SIGTERM and SIGINT, and as
`--parent-pid` and `--until-stdin-closes` define. With `--until-stdin-closes`, the process answers
each line on standard input with `{"logged": N}` when the log is up to date. `OriginProcess` starts
this command.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from stac_asset.testing.origin import Origin
from stac_asset.testing.received import Received


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until a signal or an option ends the process.

    Args:
        arguments: The command line. Default: the arguments of this process.
    """
    options = _parser().parse_args(arguments)
    # Read the parent before reporting readiness, because the parent may exit right after that.
    parent = os.getppid() if options.parent_pid == "auto" else options.parent_pid
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.ExitStack() as stack:
        log = _Log(stack.enter_context(options.log.open("a")) if options.log else None)
        origin = Origin(
            options.host,
            options.port,
            bytes_per_second=options.bytes_per_second,
            latency=options.latency,
            fault_rate=options.fault_rate,
            seed=options.seed,
            strict=options.strict,
            on_finished=log.append,
        )
        log.origin = origin
        stack.enter_context(origin)
        if options.root is not None:
            for file in sorted(options.root.rglob("*")):
                if file.is_file():
                    origin.put(file.relative_to(options.root).as_posix(), file.read_bytes())
        print(json.dumps({"url": origin.url}), flush=True)
        if options.until_stdin_closes:
            threading.Thread(target=_follow, args=(log, stop), daemon=True).start()
        while not stop.wait(0.5 if parent else None):
            if os.getppid() != parent:
                break


class _Log:
    """Log of finished requests in a file. Logged requests are removed from memory."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file
        self.origin: Origin | None = None
        self.lines = 0

    def append(self, request: Received) -> None:
        if self._file is not None:
            self._file.write(request.to_line() + "\n")
            self._file.flush()
        self.lines += 1
        if self.origin is not None:
            self.origin.forget()


def _follow(log: _Log, stop: threading.Event) -> None:
    for _ in sys.stdin:
        assert log.origin is not None
        _ = log.origin.requests  # Returns when all finished responses are logged.
        print(json.dumps({"logged": log.lines}), flush=True)
    stop.set()


def _pid(value: str) -> str | int:
    return value if value == "auto" else int(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stac_asset.testing",
        description="Serve deterministic bytes by path, and inject faults on request.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=0, help="port to listen on; 0 chooses a free port")
    add("--root", type=Path, help="folder with the files to serve; files are read at the start")
    add("--bytes-per-second", type=float, help="maximum rate of each connection")
    add("--latency", type=float, default=0.0, help="seconds of delay before every response")
    add(
        "--fault-rate",
        type=float,
        default=0.0,
        help="share of GET requests, 0 to 1, that get a random fault",
    )
    add("--seed", type=int, default=0, help="seed of the random faults")
    add("--strict", action="store_true", help="answer 404 for all paths except the files in --root")
    add("--log", type=Path, help="append each finished request to this file, as NDJSON")
    add(
        "--parent-pid",
        type=_pid,
        help="end when the process with this id is no longer the parent; "
        "'auto' is the current parent",
    )
    add("--until-stdin-closes", action="store_true", help="end when standard input closes")
    return parser


if __name__ == "__main__":
    main()
