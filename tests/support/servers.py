"""Servers of other projects, each as a context manager that yields the endpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moto.server import ThreadedMotoServer

from bench.programs import program_path
from bench.servers import free_port, rclone_s3, running_server

__all__ = ["free_port", "moto_s3", "rclone_http", "rclone_s3"]


@contextmanager
def moto_s3() -> Iterator[str]:
    """Serve S3 and IAM from memory, and yield the endpoint."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def rclone_http(folder: Path, *options: str) -> Iterator[str]:
    """Serve a folder over HTTP, and yield the URL.

    Args:
        folder: The folder.
        options: Further options of the command, such as `--allow-origin=*` for pages of all hosts.
    """
    port = free_port()
    command = [program_path("rclone"), "serve", "http", "--addr", f"127.0.0.1:{port}"]
    with running_server([*command, "--config", os.devnull, *options, str(folder)], port):
        yield f"http://127.0.0.1:{port}"
