"""pystac-client's requests, with our errors, timeouts, and headers for the right hosts only."""

from __future__ import annotations

from typing import Any, cast

from aiohttp import ClientResponse
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from yarl import URL

from stac_asset.clients.http.headers import retry_after
from stac_asset.errors import ConnectionFailedError, ResponseError, TruncatedError
from stac_asset.redact import redact_href, redact_text

_CONNECT_TIMEOUT = 30.0

_SHOWN = 200
"""Characters of a server's own words that an error quotes."""


class ApiIO(StacApiIO):
    """Asks a STAC API, once: whether to try again is for the caller to say.

    Args:
        root: The API's root, whose origin is the only one that gets secrets.
        read_timeout: Seconds without a byte after which a request is given up.
    """

    def __init__(self, root: str, read_timeout: float) -> None:
        super().__init__(max_retries=None, timeout=(_CONNECT_TIMEOUT, read_timeout))
        self.session.trust_env = False  # As our other clients: no secret comes from a netrc.
        self._adapter = _OneOrigin(root)
        self.session.mount("http://", self._adapter)
        self.session.mount("https://", self._adapter)
        self.session.hooks["response"] = [self._note]
        self._last: Response | None = None

    @property
    def secrets(self) -> dict[str, str]:
        """The headers that carry secrets to the API."""
        return self._adapter.secrets

    @secrets.setter
    def secrets(self, headers: dict[str, str]) -> None:
        """Sets them."""
        self._adapter.secrets = headers

    def _note(self, response: Response, *_: object, **__: object) -> None:
        self._last = response

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Makes a request, and returns the text of the answer.

        Raises:
            ResponseError: The answer is an error.
            ConnectionFailedError: There is no answer, or not all of it.
        """
        self._last = None
        try:
            return super().request(href, method, headers, parameters)
        except APIError as error:
            answer: Response | None = self._last
            status = getattr(error, "status_code", None)
            if answer is None or status is None:
                reason = redact_text(str(error))[:_SHOWN]
                raise ConnectionFailedError(f"{redact_href(href)}: {reason}") from None
            asked_to_wait = retry_after(cast(ClientResponse, answer))
            words = " ".join(redact_text(answer.text).split())[:_SHOWN]
            raise ResponseError.of(
                status, answer.reason or "", href, asked_to_wait, words
            ) from None

    def read_object(
        self, source: Any, method: str | None = None, parameters: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Returns the JSON object that is the answer to a request.

        Args:
            source: An href, or a pystac link that says how to ask.
            method: The HTTP method, for an href.
            parameters: The query, or the body of a POST.

        Raises:
            TransferError: It cannot be had.
        """
        shown = redact_href(source if isinstance(source, str) else source.target)
        try:
            document = self.read_json(source, method=method, parameters=parameters)
        except (ValueError, RecursionError) as error:
            # Gateways answer with a page of their own, or with half of what they got.
            raise TruncatedError(f"{shown} is no JSON: {error}") from None
        if not isinstance(document, dict):
            raise TruncatedError(f"{shown} is no JSON object")
        return document


class _OneOrigin(HTTPAdapter):
    """Adds the secret headers where they belong, also after a redirect.

    That is done here, and not in the session, since pystac-client logs what the session adds.
    """

    def __init__(self, root: str) -> None:
        super().__init__()
        self.secrets: dict[str, str] = {}
        self._origin = URL(root).origin()

    def add_headers(self, request: PreparedRequest, **kwargs: Any) -> None:
        """Adds the headers to a request that is about to be sent, or takes them off.

        Args:
            request: The request.
            kwargs: What requests says of it.
        """
        is_mine = URL(request.url or "").origin() == self._origin
        for name, value in self.secrets.items():
            if is_mine:
                request.headers[name] = value
            else:
                request.headers.pop(name, None)
