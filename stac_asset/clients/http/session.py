"""Factory of the aiohttp sessions that all clients over HTTP use."""

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

from stac_asset.clients.network import connector_from_environment
from stac_asset.config import Config

_CONNECT_TIMEOUT = 30.0
"""Maximum seconds to establish a connection."""
WITHOUT_READ_TIMEOUT = ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT)
"""Timeouts of a request that the engine's stall timer ends."""

_own_sessions: WeakSet[ClientSession] = WeakSet()
"""Sessions that this module created. Timeouts of other sessions are not changed."""


def session_from_config(
    config: Config,
    default_headers: dict[str, str] | None = None,
    middlewares: Sequence[ClientMiddlewareType] = (),
) -> ClientSession:
    """Return a session with the timeouts of a configuration.

    The session has no limit on connections, because the engine limits them. The environment
    declares the proxies and the certificates.

    Args:
        config: The configuration.
        default_headers: Headers of each request.
        middlewares: aiohttp middlewares of each request. `http_client_timeout` is applied only
            without middlewares: the timeout is for one attempt, and a middleware may retry.
    """
    session = ClientSession(
        connector=connector_from_environment(limit=0, ttl_dns_cache=300),
        headers=default_headers or {},
        cookie_jar=DummyCookieJar(),  # `HttpClient` keeps the cookies of each origin.
        middlewares=middlewares,
        timeout=ClientTimeout(
            total=None if middlewares else config.http_client_timeout,
            sock_connect=_CONNECT_TIMEOUT,
            sock_read=config.http_read_timeout,
        ),
    )
    _own_sessions.add(session)
    return session


def session_of_connector(connector: TCPConnector, read_timeout: float) -> ClientSession:
    """Return a session without headers and cookies.

    Args:
        connector: The connector. Closing the session closes the connector.
        read_timeout: Seconds without a byte after which a request fails.
    """
    session = ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=read_timeout),
    )
    _own_sessions.add(session)
    return session


def session_without_secrets(session: ClientSession) -> ClientSession:
    """Return a session with the connections and timeouts of another session, without secrets.

    The new session does not trust the environment, because aiohttp would read secrets from
    `.netrc`.

    Args:
        session: The other session. Close both sessions.
    """
    secretless = ClientSession(
        connector=session.connector,
        connector_owner=False,
        timeout=session.timeout,
        cookie_jar=DummyCookieJar(),
    )
    if session in _own_sessions:
        _own_sessions.add(secretless)
    return secretless


async def proxy_of(session: ClientSession, url: URL) -> URL | None:
    """Return the proxy that a session uses for a URL, if any.

    Args:
        session: The session. If `trust_env` is set, the environment may declare a proxy.
        url: The URL.
    """
    # aiohttp has no public attribute for the default proxy of a session.
    proxy, auth = session._default_proxy, session._default_proxy_auth
    if proxy is not None:
        proxy_url = URL(proxy)
        return proxy_url.with_user(auth.login).with_password(auth.password) if auth else proxy_url
    if not session.trust_env:
        return None
    # In a thread, because on some systems `proxy_bypass` resolves the host name.
    environment_proxy = await asyncio.to_thread(_proxy_of_environment, url)
    return URL(environment_proxy) if environment_proxy else None


def _proxy_of_environment(url: URL) -> str | None:
    if urllib.request.proxy_bypass(url.host or ""):
        return None
    return urllib.request.getproxies().get(url.scheme)


def timeout_of(session: ClientSession, watched: bool) -> ClientTimeout:
    """Return the timeout of a request.

    Args:
        session: The session of the request. A session that the user created keeps its timeouts.
        watched: Whether the engine's stall timer ends the request. aiohttp's read timeout is then
            switched off, which saves resetting a timer with each chunk.
    """
    return WITHOUT_READ_TIMEOUT if is_watched(session, watched) else session.timeout


def is_watched(session: ClientSession, watched: bool) -> bool:
    """Return whether the engine's stall timer replaces the timeouts of a session.

    Args:
        session: The session of the request. A session that the user created keeps its timeouts.
        watched: Whether the engine's stall timer ends the request.
    """
    return watched and session in _own_sessions
