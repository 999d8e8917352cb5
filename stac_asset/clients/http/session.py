"""Makes the aiohttp sessions of all clients over HTTP."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Sequence
from weakref import WeakSet

from aiohttp import (
    ClientMiddlewareType,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from yarl import URL

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
        middlewares: What each request goes through. One that tries again has its own limits, so
            that `http_client_timeout`, which is for one attempt, does not hold there.
    """
    session = ClientSession(
        connector=TCPConnector(limit=0, ttl_dns_cache=300),
        headers=default_headers or {},
        middlewares=middlewares,
        timeout=ClientTimeout(
            total=None if middlewares else config.http_client_timeout,
            sock_connect=_CONNECT_TIMEOUT,
            sock_read=config.http_read_timeout,
        ),
    )
    _made_here.add(session)
    return session


def session_without_secrets(session: ClientSession) -> ClientSession:
    """Returns a session with another one's connections and timeouts, and nothing else of it.

    It does not trust the environment either: aiohttp would take secrets from a `.netrc`.

    Args:
        session: The other session, which has to be closed too.
    """
    bare = ClientSession(
        connector=session.connector,
        connector_owner=False,
        timeout=session.timeout,
        cookie_jar=DummyCookieJar(),
    )
    if session in _made_here:
        _made_here.add(bare)
    return bare


async def proxy_of(session: ClientSession, url: URL) -> URL | None:
    """Returns the proxy through which a session would ask for a url, or None.

    Args:
        session: The session; if it trusts the environment, that may name a proxy.
        url: The url.
    """
    # No public attribute tells.
    proxy, auth = session._default_proxy, session._default_proxy_auth
    if proxy is not None:
        found = URL(proxy)
        return found.with_user(auth.login).with_password(auth.password) if auth else found
    if not session.trust_env:
        return None
    # In a thread, for on some systems it asks for the host's address.
    named = await asyncio.to_thread(_proxy_of_environment, url)
    return URL(named) if named else None


def _proxy_of_environment(url: URL) -> str | None:
    if urllib.request.proxy_bypass(url.host or ""):
        return None
    return urllib.request.getproxies().get(url.scheme)


def timeout_of(session: ClientSession, watched: bool) -> ClientTimeout:
    """Returns the timeout of a request.

    Args:
        session: Its session; those that others made keep theirs.
        watched: Whether somebody else looks after silence, so that aiohttp need not set a timer
            anew with each chunk.
    """
    return _WATCHED if watched and session in _made_here else session.timeout
