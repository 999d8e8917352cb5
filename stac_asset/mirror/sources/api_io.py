"""Sends requests to a STAC API, with this library's errors, timeouts and redirects.

`stac_api` uses this module. Secret headers are sent to the origin of the API only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import requests
from pystac_client.stac_api_io import StacApiIO
from requests import PreparedRequest, Response
from urllib3.exceptions import ProtocolError, ReadTimeoutError
from yarl import URL

from stac_asset.clients.network.requests_adapter import EnvironmentAdapter
from stac_asset.clients.requested_wait import requested_wait
from stac_asset.errors import (
    ConnectionFailedError,
    ResponseError,
    StacAssetError,
    StalledError,
    TransferError,
    TruncatedError,
)
from stac_asset.hrefs import origin_of
from stac_asset.mirror.sources.search_redirects import redirected
from stac_asset.redact import redact_href, redact_text, redact_values, secrets_in_headers
from stac_asset.stac.api_request import ApiRequest
from stac_asset.stac.compression import MAX_DOCUMENT, decompressed
from stac_asset.stac.json_text import loads

_CONNECT_TIMEOUT = 30.0
"""Timeout for a connection, in seconds."""

_MAX_QUOTED = 200
"""Maximum length of a server's message in an error, in characters."""

_MAX_REDIRECTS = 10
"""Maximum number of redirects of a request."""


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """The JSON object in the response to a request."""

    document: dict[str, Any] = field(repr=False)
    """The JSON object."""

    href: str = field(repr=False)
    """URL of the response after redirects, which resolves relative hrefs of the document."""


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
        self.session.headers["Accept-Encoding"] = "gzip, deflate"  # See `_read_body`.
        self.answered_with_page = False
        """Whether the last error response was a web page."""
        self._adapter = _SecretHeaderAdapter(root)
        self.session.mount("http://", self._adapter)
        self.session.mount("https://", self._adapter)

    @property
    def secrets(self) -> dict[str, str]:
        """Secret headers for the API."""
        return self._adapter.secrets

    @secrets.setter
    def secrets(self, headers: dict[str, str]) -> None:
        """Set the secret headers."""
        self._adapter.secrets = headers

    def send(self, request: ApiRequest) -> ApiResponse:
        """Send a request, follow redirects, and return the JSON object in the response.

        Args:
            request: The request.

        Raises:
            ResponseError: The server returned an error, or a redirect to another resource.
            TransferError: The response is missing, incomplete, or not a JSON object.
        """
        response = self._send(request)
        for _ in range(_MAX_REDIRECTS):
            location = self._location(response, request)
            if location is None:
                break
            reason = self._without_secrets(response.reason or "")
            request = redirected(request, response.status_code, reason, location)
            response = self._send(request)
        if not 200 <= response.status_code < 300:
            message = _message_of(response.content, secrets_in_headers(self.secrets))
            if response.is_redirect:
                message = f"more than {_MAX_REDIRECTS} redirects"
            self.answered_with_page = is_page(response.content)
            delay = requested_wait(response.headers, response.status_code)
            reason = self._without_secrets(response.reason or "")
            raise ResponseError.of(response.status_code, reason, request.href, delay, message)
        shown = redact_href(request.href)
        try:
            document = loads(response.content, shown)
        except ValueError as error:
            # Gateways return HTML pages or truncated responses with status 200, so this is retried.
            raise TruncatedError(f"Response of {shown} is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise TruncatedError(f"Response of {shown} is not a JSON object")
        return ApiResponse(document, request.href)

    def _send(self, request: ApiRequest) -> Response:
        """Return the response to a request, without following redirects.

        Raises:
            TransferError: The response is missing or incomplete.
            ConfigError: A proxy or a file of certificates of the environment is not usable.
        """
        body = dict(request.body or {}) if request.method == "POST" else None
        headers = dict(request.headers)
        try:
            prepared = self.session.prepare_request(
                requests.Request(request.method, request.href, headers=headers, json=body)
            )
            settings = self.session.merge_environment_settings(
                prepared.url or request.href, {}, None, None, None
            )
            return self.session.send(
                prepared, timeout=self.timeout, allow_redirects=False, **settings
            )
        except StacAssetError:
            raise
        except (requests.RequestException, ValueError) as error:
            if self._adapter.unusable is not None:
                raise self._adapter.unusable from None
            raise _transfer_error(error, redact_href(request.href)) from None

    def _location(self, response: Response, request: ApiRequest) -> str | None:
        """Return the address of a redirect response.

        Raises:
            ResponseError: The address is not valid text.
        """
        try:
            return self.session.get_redirect_target(response)
        except UnicodeDecodeError:
            hint = "redirected to an address that is not valid text"
            reason = self._without_secrets(response.reason or "")
            raise ResponseError.of(response.status_code, reason, request.href, None, hint) from None

    def _without_secrets(self, text: str) -> str:
        """Return a text of the server, which may repeat headers of the request."""
        return redact_values(redact_text(text), secrets_in_headers(self.secrets))


def _transfer_error(error: Exception, shown: str) -> TransferError:
    """Return this library's error for an error of requests.

    Args:
        error: The error.
        shown: The redacted URL of the request.
    """
    reason = redact_text(str(error))[:_MAX_QUOTED]
    is_timeout = isinstance(error, requests.ReadTimeout) or any(
        isinstance(cause, ReadTimeoutError) for cause in error.args
    )
    if is_timeout:
        return StalledError(f"{shown}: no response within the read timeout")
    if isinstance(error, requests.exceptions.ChunkedEncodingError) or any(
        isinstance(cause, ProtocolError) for cause in error.args
    ):
        return TruncatedError(f"{shown}: the response is incomplete: {reason}")
    return ConnectionFailedError(f"{shown}: {reason}")


def is_page(body: bytes) -> bool:
    """Return whether a body is a web page or XML.

    Args:
        body: The uncompressed body of a response.
    """
    return body.lstrip()[:1] == b"<"


def _message_of(body: bytes, secrets: set[str]) -> str:
    """Return the beginning of a server's message. Web pages and binary data are left out."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return ""
    is_text = not is_page(body) and all(char.isprintable() or char.isspace() for char in text)
    text = redact_values(redact_text(text), secrets)
    return " ".join(text.split())[:_MAX_QUOTED] if is_text else ""


_CHUNK = 64 * 1024
"""Number of bytes per read."""


class _SecretHeaderAdapter(EnvironmentAdapter):
    """Adds secret headers to requests to the API, and removes the headers for other origins.

    The session must not have these headers, because pystac-client logs the session's headers.
    """

    def __init__(self, root: str) -> None:
        super().__init__()
        self.secrets: dict[str, str] = {}
        self._origin = origin_of(URL(root))

    def add_headers(self, request: PreparedRequest, **kwargs: Any) -> None:
        """Add or remove the secret headers of a request before sending.

        Args:
            request: The request.
            kwargs: Options of requests, which are not used.
        """
        is_api = origin_of(URL(request.url or "")) == self._origin
        for name, value in self.secrets.items():
            if is_api:
                request.headers[name] = value
            else:
                request.headers.pop(name, None)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request, and return the response with the uncompressed body.

        Args:
            request: The request.
            args: Further arguments of `EnvironmentAdapter.send`.
            kwargs: Further arguments of `EnvironmentAdapter.send`.

        Raises:
            ValueError: The body is too large, or its compression is damaged.
        """
        response = super().send(request, *args, **{**kwargs, "stream": True})
        _read_body(response)
        return response


def _read_body(response: Response) -> None:
    """Read and decompress the body of a response.

    requests cannot limit the size of a decompressed body, and fails if the body is not compressed
    as declared.

    Raises:
        requests.RequestException: The body is incomplete, or the server is too slow.
        ValueError: The body is too large, or its compression is damaged.
    """
    # `iter_content` of requests decompresses, unless the header is missing.
    encoding = response.raw.headers.pop("Content-Encoding", None)
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > MAX_DOCUMENT:
            response.close()
            raise ValueError(f"the response is larger than {MAX_DOCUMENT:,} bytes")
    response._content = decompressed(bytes(body), encoding)
