"""Internal: requests of the package `requests`, with the proxies and certificates of all clients.

The searches of STAC APIs use `EnvironmentAdapter`.
"""

from __future__ import annotations

import re
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError, ProxyError
from yarl import URL

from stac_asset.clients.network.certificates import CertificateSources
from stac_asset.clients.network.proxies import Proxies, Proxy, proxy_refusal
from stac_asset.errors import ConfigError

_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
"""Text of http.client's error if a proxy refuses a CONNECT request."""


class EnvironmentAdapter(HTTPAdapter):
    """An adapter that selects the proxy and the certificates of each request."""

    def __init__(self) -> None:
        self._proxies = Proxies.from_environment()
        self._certificates = CertificateSources.from_environment()
        self._proxy: Proxy | None = None
        self.unusable: ConfigError | None = None
        """Error of the last request, if the environment prevents the request."""
        super().__init__()

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request, through a proxy if the environment declares one.

        Args:
            request: The request.
            args: Further arguments of `HTTPAdapter.send`.
            kwargs: Further arguments of `HTTPAdapter.send`. `proxies` is replaced.

        Raises:
            ConfigError: A variable is not valid, or the proxy refuses the connection.
            requests.ConnectionError: The proxy or the server cannot be reached.
        """
        self.unusable = None
        try:
            url = URL(request.url or "")
            self._proxy = proxy = self._proxies.proxy_of(url)
            if url.scheme == "https":
                self._certificates.context()  # `requests` would convert a `ConfigError`.
            kwargs["proxies"] = {} if proxy is None else {url.scheme: str(proxy.url)}
            return super().send(request, *args, **kwargs)
        except ConfigError as error:
            self.unusable = error
            raise
        except ProxyError as error:
            assert proxy is not None, "requests raises ProxyError only for a proxy"
            refused = _REFUSED_TUNNEL.search(str(error))
            if refused is None:
                raise ConnectionError(f"{proxy.shown} cannot be reached") from None
            failure = proxy_refusal(proxy, int(refused[1]))
            if isinstance(failure, ConfigError):
                self.unusable = failure
            raise failure from None

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Return the headers for the proxy. `requests` would encode user and password as Latin-1.

        Args:
            proxy: The URL of the proxy.
        """
        authorization = self._proxy.authorization if self._proxy else None
        return {"Proxy-Authorization": authorization} if authorization else {}

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Return the connections of a proxy, with the certificates of the environment.

        Args:
            proxy: The URL of the proxy.
            proxy_kwargs: Options of the connections.
        """
        if proxy.startswith("https:"):
            proxy_kwargs["proxy_ssl_context"] = self._certificates.context()
        return super().proxy_manager_for(proxy, **proxy_kwargs)

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the options of a connection, with the certificates of the environment.

        Args:
            request: The request.
            verify: The option of `requests`, which is always True.
            cert: The option of `requests`, which is not used.
        """
        host, options = super().build_connection_pool_key_attributes(request, True, cert)
        if host["scheme"] == "https":
            options["ssl_context"] = self._certificates.context()
        return host, options

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the certificates to `build_connection_pool_key_attributes`.

        Args:
            conn: The connections of a host.
            url: The requested URL.
            verify: The option of `requests`, which is always True.
            cert: The option of `requests`, which is not used.
        """
