"""An origin in a separate process, which does not share the interpreter of the client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from stac_asset.testing.content import absolute
from stac_asset.testing.received import Received, select

_IMPORT_ROOT = Path(__file__).resolve().parents[2]


class OriginProcess:
    """A context manager that runs `python -m stac_asset.testing`.

    The process ends when its parent process ends, even if the parent is killed. The log contains
    responses that have ended. An aborted response is logged when the origin notices the abort.

    Args:
        root: A folder. Its files are read at the start and served under their relative paths.
        bytes_per_second: Maximum rate of each connection. Default: no limit.
        latency: Seconds of delay before every response.
        fault_rate: Share of GET requests, 0 to 1, that get a random fault.
        seed: Seed of the random faults.
        strict: Answer 404 for all paths except the files in `root`.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        bytes_per_second: float | None = None,
        latency: float = 0.0,
        fault_rate: float = 0.0,
        seed: int = 0,
        strict: bool = False,
    ) -> None:
        self._arguments = [
            *(["--root", os.fspath(root)] if root is not None else []),
            *(["--bytes-per-second", str(bytes_per_second)] if bytes_per_second else []),
            *(["--strict"] if strict else []),
            *("--latency", str(latency), "--fault-rate", str(fault_rate), "--seed", str(seed)),
        ]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._requests: list[Received] = []
        self._log_position = 0
        self._url = ""

    def __enter__(self) -> Self:
        """Start the process, and wait until the origin serves.

        Raises:
            RuntimeError: The process ended early, or the context was entered before.
        """
        if self._process is not None:
            raise RuntimeError("an origin can be started only once. Create a new `OriginProcess`.")
        self._folder = tempfile.TemporaryDirectory(prefix="origin-")
        paths = [str(_IMPORT_ROOT), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "stac_asset.testing", *self._arguments),
                *("--log", str(self._log), "--parent-pid", str(os.getpid())),
                "--until-stdin-closes",
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        if not ready:
            self.close()
            raise RuntimeError(f"the origin process ended with code {self._process.returncode}")
        self._url = json.loads(ready)["url"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process."""
        self.close()

    def close(self) -> None:
        """End the process, and wait for the end. The log of requests stays available."""
        process, folder = self._process, self._folder
        if process is None or folder is None:
            return
        with self._lock:
            self._flush()
            process.terminate()
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            self._read_log()
            self._folder = None
        folder.cleanup()

    @property
    def url(self) -> str:
        """The root URL, without a trailing slash."""
        if not self._url:
            raise RuntimeError("the origin is not serving. Use the origin in a `with` statement.")
        return self._url

    @property
    def pid(self) -> int:
        """The id of the process."""
        if self._process is None:
            raise RuntimeError("the origin is not serving. Use the origin in a `with` statement.")
        return self._process.pid

    def href(self, path: str) -> str:
        """Return the percent-encoded href of a path.

        Args:
            path: The decoded path. A query (`?size=10`) may follow.
        """
        path, _, query = path.partition("?")
        return self.url + quote(absolute(path)) + (f"?{query}" if query else "")

    @property
    def requests(self) -> list[Received]:
        """The requests with an ended response, in the order of the ends."""
        with self._lock:
            if self._folder is not None:
                self._flush()
                self._read_log()
            return list(self._requests)

    def gets(self, path: str | None = None) -> list[Received]:
        """Return the GET requests.

        Args:
            path: A path or pattern. Default: all paths.
        """
        return select(self.requests, "GET", path)

    def heads(self, path: str | None = None) -> list[Received]:
        """Return the HEAD requests.

        Args:
            path: A path or pattern. Default: all paths.
        """
        return select(self.requests, "HEAD", path)

    @property
    def bytes_sent(self) -> int:
        """Number of body bytes sent in answers to GET requests."""
        return sum(request.body_sent for request in self.gets())

    @property
    def _log(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name, "requests.ndjson")

    def _flush(self) -> None:
        """Wait until the process has logged all bytes that clients have received."""
        if self._process is None or self._process.poll() is not None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except OSError:
            return  # The process has just ended.
        self._process.stdout.readline()

    def _read_log(self) -> None:
        if not self._log.exists():
            return
        with self._log.open("rb") as log:
            log.seek(self._log_position)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._requests.append(Received.from_line(line))
                self._log_position += len(line)
