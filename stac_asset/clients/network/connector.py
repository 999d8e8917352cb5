"""Internal: aiohttp connections with the proxies and certificates of the environment."""

from __future__ import annotations

import ssl
from typing import Any

from aiohttp import (
    ClientConnectionError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
    ClientRequest,
    ClientTimeout,
    TCPConnector,
    hdrs,
)
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from multidict import CIMultiDict

from stac_asset.clients.network.certificates import CertificateSources
from stac_asset.clients.network.proxies import Proxies, Proxy, proxy_refusal


class EnvironmentConnector(TCPConnector):
    """A connector that selects the proxy of each request.

    Sessions that share the connector share its proxies and certificates, with all their requests.

    Args:
        proxies: The proxies.
        certificates: The sources of certificates.
        options: Options of `TCPConnector`, without `ssl`.
    """

    def __init__(self, proxies: Proxies, certificates: CertificateSources, **options: Any) -> None:
        super().__init__(**options | {"ssl": True})
        self._proxies = proxies
        self._certificates = certificates

    async def connect(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> Connection:
        """Return a connection for a request, through a proxy if the environment declares one.

        Args:
            req: The request.
            traces: The traces of the session.
            timeout: The timeouts of the request.

        Raises:
            ConfigError: A variable is not valid, the certificates cannot be loaded, or the proxy
                refuses the connection.
            aiohttp.ClientConnectionError: The proxy cannot be reached.
        """
        proxy = self._proxies.proxy_of(req.url)
        # A middleware may send the same request again. Then this connector has set the proxy.
        if proxy is None or req.proxy not in (None, proxy.url):
            return await super().connect(req, traces, timeout)
        _send_through(req, proxy)
        try:
            return await super().connect(req, traces, timeout)
        except ClientProxyConnectionError as error:
            reason = error.os_error.strerror or type(error.os_error).__name__
            failure: Exception = ClientConnectionError(f"{proxy.shown} cannot be reached: {reason}")
        except ClientHttpProxyError as error:
            failure = proxy_refusal(proxy, error.status)
        raise failure

    def _get_ssl_context(self, req: ClientRequest) -> ssl.SSLContext | None:
        # Loading the certificates takes tens of milliseconds, and most connectors of a run open
        # no connection with TLS. aiohttp has no public method that selects the context.
        if self._ssl is True and req.is_ssl():
            self._ssl = self._certificates.context()
        return super()._get_ssl_context(req)


def connector_from_environment(**options: Any) -> TCPConnector:
    """Return a connector with the proxies and certificates of the environment.

    Args:
        options: Options of `TCPConnector`.
    """
    proxies, certificates = Proxies.from_environment(), CertificateSources.from_environment()
    if not proxies and not certificates:
        return TCPConnector(**options)
    return EnvironmentConnector(proxies, certificates, **options)


def _send_through(req: ClientRequest, proxy: Proxy) -> None:
    req.proxy = proxy.url
    if proxy.authorization is None:
        return
    if req.is_ssl():  # Only the CONNECT request carries these headers.
        req.proxy_headers = CIMultiDict({hdrs.PROXY_AUTHORIZATION: proxy.authorization})
    else:
        req.headers[hdrs.PROXY_AUTHORIZATION] = proxy.authorization
