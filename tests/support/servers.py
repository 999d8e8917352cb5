"""Servers of other projects, each as a context manager that yields the endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

from bench.servers import free_port, rclone_s3

__all__ = ["free_port", "moto_s3", "rclone_s3"]


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
