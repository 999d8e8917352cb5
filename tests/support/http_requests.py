"""Single HTTP requests with the standard library, which also return incomplete responses."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from stac_asset.testing import Origin

_READ_SIZE = 65536
"""Maximum number of bytes of a read."""


@dataclass
class HttpReply:
    """A response, possibly incomplete."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    error: Exception | None = None
    """The error that ended the body, if the response is incomplete."""


def send_request(url: str, method: str = "GET", timeout: float = 60, **headers: str) -> HttpReply:
    """Send a request on a new connection, and return the received part of the response.

    Args:
        url: The URL.
        method: The HTTP method.
        timeout: Timeout of socket operations in seconds.
        headers: The headers, with `_` instead of `-` in names.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=timeout)
    body = bytearray()
    error: Exception | None = None
    with contextlib.closing(connection):
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, target, headers=names)
        with connection.getresponse() as response:
            try:
                while data := response.read1(_READ_SIZE):
                    body += data
                if response.length:
                    error = http.client.IncompleteRead(bytes(body), response.length)
            except (OSError, http.client.HTTPException) as raised:
                error = raised
            return HttpReply(response.status, response.headers, bytes(body), error)


@contextlib.contextmanager
def open_get(origin: Origin, path: str, *headers: str) -> Iterator[socket.socket]:
    """Yield a socket after sending a GET request."""
    with socket.create_connection((origin.host, origin.port), timeout=60) as connection:
        lines = [f"GET {path} HTTP/1.1", "Host: origin", *headers]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    """Return all bytes that a socket receives until the end of the connection."""
    received = bytearray()
    while data := connection.recv(_READ_SIZE):
        received += data
    return bytes(received)


def summarize_reply(href: str) -> str:
    """Send a GET request, and return the status, the size and the error of the response."""
    try:
        reply = send_request(href)
    except ConnectionError as error:
        return type(error).__name__
    return f"{reply.status} {len(reply.body)} {type(reply.error).__name__}"
