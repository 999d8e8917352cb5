"""Servers of other projects, each as a context manager that yields the endpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.programs import program_path
from bench.servers import free_port, rclone_s3, running_server
from tests.support.moto_server import moto_s3

__all__ = ["free_port", "moto_s3", "rclone_http", "rclone_s3"]


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
