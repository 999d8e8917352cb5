"""Makes the aiohttp sessions of all clients over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakSet

from aiohttp import ClientMiddlewareType, ClientSession, ClientTimeout, TCPConnector

from stac_asset.config import Config

_CONNECT_TIMEOUT = 30.0
_WATCHED = ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT)

_made_here: WeakSet[ClientSession] = WeakSet()


def session_from_config(
    config: Config,
    default_headers: dict[str, str] | None = None,
    middlewares: Sequence[ClientMiddlewareType] = (),
) -> ClientSession:
    """Returns a session with our timeouts, whose connections the engine limits, not itself.

    Args:
        config: The configuration.
        default_headers: What to send with each request.
        middlewares: What each request goes through.
    """
    session = ClientSession(
        connector=TCPConnector(limit=0, ttl_dns_cache=300),
        headers=default_headers or {},
        middlewares=middlewares,
        timeout=ClientTimeout(
            total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=config.http_read_timeout
        ),
    )
    _made_here.add(session)
    return session


def timeout_of(session: ClientSession, watched: bool) -> ClientTimeout:
    """Returns the timeout of a request.

    Args:
        session: Its session; those that others made keep theirs.
        watched: Whether somebody else looks after silence, so that aiohttp need not set a timer
            anew with each chunk.
    """
    return _WATCHED if watched and session in _made_here else session.timeout
