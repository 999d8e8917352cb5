"""Sends requests to a STAC API through pystac-client, with this library's errors and timeouts.

`stac_api` uses this module. Secret headers are sent to the origin of the API only.
"""

from __future__ import annotations

from typing import Any, cast

from aiohttp import ClientResponse
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from requests import PreparedRequest, Response
from yarl import URL

from stac_asset.clients.http.headers import retry_after
from stac_asset.clients.network.requests_adapter import EnvironmentAdapter
from stac_asset.errors import ConnectionFailedError, ResponseError, TruncatedError
from stac_asset.redact import redact_href, redact_text

_CONNECT_TIMEOUT = 30.0
"""Timeout for a connection, in seconds."""

_MAX_QUOTED = 200
"""Maximum length of a server's message in an error, in characters."""


class ApiIO(StacApiIO):
    """Sends requests to a STAC API without retries. The caller retries.

    Args:
        root: Root of the API. Only its origin receives secrets.
        read_timeout: Seconds without a byte after which a request fails.
    """

    def __init__(self, root: str, read_timeout: float) -> None:
        super().__init__(max_retries=None, timeout=(_CONNECT_TIMEOUT, read_timeout))
        # No credentials from a netrc file. The adapter selects proxies and certificates.
        self.session.trust_env = False
        self._adapter = _SecretHeaderAdapter(root)
        self.session.mount("http://", self._adapter)
        self.session.mount("https://", self._adapter)
        self.session.hooks["response"] = [self._remember_response]
        self._last_response: Response | None = None

    @property
    def secrets(self) -> dict[str, str]:
        """Secret headers for the API."""
        return self._adapter.secrets

    @secrets.setter
    def secrets(self, headers: dict[str, str]) -> None:
        """Set the secret headers."""
        self._adapter.secrets = headers

    def _remember_response(self, response: Response, *_: object, **__: object) -> None:
        self._last_response = response

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Send a request, and return the text of the response.

        Raises:
            ResponseError: The server returned an error.
            ConnectionFailedError: The response is missing or incomplete.
            ConfigError: A proxy or a file of certificates of the environment is not usable.
        """
        self._last_response = None
        try:
            return super().request(href, method, headers, parameters)
        except APIError as error:
            response: Response | None = self._last_response
            status = getattr(error, "status_code", None)
            if self._adapter.unusable is not None:
                raise self._adapter.unusable from None
            if response is None or status is None:
                reason = redact_text(str(error))[:_MAX_QUOTED]
                raise ConnectionFailedError(f"{redact_href(href)}: {reason}") from None
            delay = retry_after(cast(ClientResponse, response))
            message = " ".join(redact_text(response.text).split())[:_MAX_QUOTED]
            raise ResponseError.of(status, response.reason or "", href, delay, message) from None

    def read_object(
        self, source: Any, method: str | None = None, parameters: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the JSON object in the response to a request.

        Args:
            source: An href, or a pystac link that defines the request.
            method: HTTP method, for an href.
            parameters: Query of a GET request, or body of a POST request.

        Raises:
            TransferError: The request failed, or the response is not a JSON object.
        """
        shown = redact_href(source if isinstance(source, str) else source.target)
        try:
            document = self.read_json(source, method=method, parameters=parameters)
        except (ValueError, RecursionError) as error:
            # Gateways return HTML pages or truncated responses with status 200, so this is retried.
            raise TruncatedError(f"Response of {shown} is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise TruncatedError(f"Response of {shown} is not a JSON object")
        return document


class _SecretHeaderAdapter(EnvironmentAdapter):
    """Adds secret headers to requests to the API, and removes the headers for other origins.

    The session must not have these headers, because pystac-client logs the session's headers.
    """

    def __init__(self, root: str) -> None:
        super().__init__()
        self.secrets: dict[str, str] = {}
        self._origin = URL(root).origin()

    def add_headers(self, request: PreparedRequest, **kwargs: Any) -> None:
        """Add or remove the secret headers of a request before sending.

        Args:
            request: The request.
            kwargs: Options of requests, which are not used.
        """
        is_api = URL(request.url or "").origin() == self._origin
        for name, value in self.secrets.items():
            if is_api:
                request.headers[name] = value
            else:
                request.headers.pop(name, None)
