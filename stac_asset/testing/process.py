"""An origin in a process of its own, so that it doesn't share the client's interpreter."""

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

from stac_asset.testing.received import Received, select

_IMPORT_ROOT = Path(__file__).resolve().parents[2]


class OriginProcess:
    """A context manager that runs `python -m stac_asset.testing` while it is entered.

    It ends with the process that made it, however that ends. Its log holds responses that have
    ended: one that a client broke off stands there as soon as the origin has noticed.

    Args:
        root: A folder; its files are read at the start and served by their relative paths.
        bytes_per_second: The rate of each connection; None is as fast as it goes.
        latency: Seconds before every response.
        fault_rate: The share of GET requests, 0 to 1, that meet a random fault.
        seed: Another seed draws other faults.
        strict: Answers 404 for all paths but the files in `root`.
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
        self._read = 0
        self._url = ""

    def __enter__(self) -> Self:
        """Starts the process and waits until it serves.

        Raises:
            RuntimeError: If it ended instead, or this was entered before.
        """
        if self._process is not None:
            raise RuntimeError("an origin serves once: make another one")
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
            raise RuntimeError(f"the origin ended with code {self._process.returncode}")
        self._url = json.loads(ready)["url"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the process."""
        self.close()

    def close(self) -> None:
        """Ends the process and waits for it; what was received can still be asked for."""
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
        """Its root, without a slash at the end."""
        if not self._url:
            raise RuntimeError("the origin is not serving: use it in a with statement")
        return self._url

    @property
    def pid(self) -> int:
        """The id of its process."""
        if self._process is None:
            raise RuntimeError("the origin is not serving: use it in a with statement")
        return self._process.pid

    def href(self, path: str) -> str:
        """Returns the href of a path, percent-encoded; a query (`?size=10`) may follow the path."""
        path, _, query = path.partition("?")
        path = path if path.startswith("/") else f"/{path}"
        return self.url + quote(path) + (f"?{query}" if query else "")

    @property
    def requests(self) -> list[Received]:
        """The requests whose responses have ended, in the order in which they did."""
        with self._lock:
            if self._folder is not None:
                self._flush()
                self._read_log()
            return list(self._requests)

    def gets(self, path: str | None = None) -> list[Received]:
        """Returns the GET requests, of a path or pattern if one is given."""
        return select(self.requests, "GET", path)

    def heads(self, path: str | None = None) -> list[Received]:
        """Returns the HEAD requests, of a path or pattern if one is given."""
        return select(self.requests, "HEAD", path)

    @property
    def bytes_sent(self) -> int:
        """Body bytes that GET requests were sent."""
        return sum(request.body_sent for request in self.gets())

    @property
    def _log(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name, "requests.ndjson")

    def _flush(self) -> None:
        """Waits until the process has logged what clients have received: a line for a line."""
        if self._process is None or self._process.poll() is not None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except OSError:
            return  # it has just ended
        self._process.stdout.readline()

    def _read_log(self) -> None:
        if not self._log.exists():
            return
        with self._log.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._requests.append(Received.from_line(line))
                self._read += len(line)
