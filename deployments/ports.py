"""Internal: whether a server can listen on a port, asked before the server starts."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise

from stac_asset.errors import ConfigError

LOOPBACK = "127.0.0.1"

DEFAULT_PORT = 4200
"""The port of Prefect's servers, unless another is set."""

_LAST_PORT = 65535

_TRIED = 100
"""Number of ports that `free_port` tries."""


def listen_problem(port: int, host: str = LOOPBACK) -> str | None:
    """Return why a server cannot listen on a port, or None if it can.

    Args:
        port: The port.
        host: The address, or a name of this machine.
    """
    if not 0 <= port <= _LAST_PORT:  # `getaddrinfo` would drop the higher bits.
        return "no such port"
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )
        with closing(socket.socket(family, kind, protocol)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None


def free_port(first: int = DEFAULT_PORT) -> int:
    """Return the first port on the loopback interface on which a server can listen.

    Args:
        first: The first port to try. The result if no port is free.
    """
    if first > _LAST_PORT - _TRIED:
        first = DEFAULT_PORT
    ports = range(first, first + _TRIED)
    return next((port for port in ports if listen_problem(port) is None), first)


def check_arguments(arguments: Sequence[str], host: str, port: int) -> None:
    """Check that `prefect server start` can listen on the port of its arguments.

    Prefect checks the port too, but only after seconds of imports.

    Args:
        arguments: The arguments of the command.
        host: The address without the option `--host`.
        port: The port without the option `--port`.

    Raises:
        ConfigError: The server cannot listen on the port.
    """
    host = _value("--host", arguments) or host
    given = _value("--port", arguments)
    if given is not None:
        if not given.isdecimal():
            return  # Prefect reports the value.
        port = int(given)
    if "--help" in arguments:
        return
    problem = listen_problem(port, host)
    if problem is not None:
        raise ConfigError(
            f"Cannot listen on port {port} of {host} ({problem}). Choose another port with "
            f"`--port {free_port(port + 1)}`."
        )


def _value(option: str, arguments: Sequence[str]) -> str | None:
    """Return the last value of an option."""
    values = [
        argument.removeprefix(f"{option}=")
        for argument in arguments
        if argument.startswith(f"{option}=")
    ]
    values += [value for name, value in pairwise(arguments) if name == option]
    return values[-1] if values else None
