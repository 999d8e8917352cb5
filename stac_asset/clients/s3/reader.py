"""Internal: GET and HEAD requests for objects, sent without botocore's request pipeline.

botocore resolves the endpoint of a bucket once, finds the credentials, and decides about retries
and redirects to another region. The requests are sent by the same HTTP sessions as those of the
HTTP client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from stac_asset.aws.route import Route, resolve
from stac_asset.aws.signature import AccessKey
from stac_asset.clients.http.session import timeout_of
from stac_asset.clients.s3.clock import ServerClock
from stac_asset.clients.s3.failures import FailedAttempt, failure_of

if TYPE_CHECKING:
    from aiobotocore.retries.adaptive import AsyncClientRateLimiter
    from aiobotocore.session import AioSession
    from types_aiobotocore_s3.client import S3Client as BotocoreClient

_SKEWED = "RequestTimeTooSkewed"
"""Error code of a signature with a wrong time."""


@dataclass(frozen=True, slots=True)
class ObjectResponse:
    """The response with an object or a part of an object."""

    response: ClientResponse
    """The open response."""

    algorithms: tuple[str, ...]
    """Checksums that botocore can compute, in the order of preference."""


class ObjectReader:
    """Sends GET and HEAD requests for objects of an endpoint.

    Args:
        client: A botocore client of the endpoint, prepared by `resolve_without_sending`.
        session: The botocore session with the credentials; None for requests without a signature.
        http: The HTTP session.
        limiter: botocore's limiter of the request rate, if the retry mode has one.
    """

    def __init__(
        self,
        client: BotocoreClient,
        session: AioSession | None,
        http: ClientSession,
        limiter: AsyncClientRateLimiter | None,
    ) -> None:
        self._client = client
        self._session = session
        self._http = http
        self._limiter = limiter
        self._clock = ServerClock()
        self._routes: dict[str, Route] = {}
        self._operation = client.meta.service_model.operation_model("GetObject")
        self._events: Any = client.meta.events

    async def get(
        self, bucket: str, key: str, headers: Mapping[str, str], watched: bool
    ) -> ObjectResponse:
        """Return the response to a GET request for an object, after retries.

        Args:
            bucket: The bucket.
            key: The key of the object.
            headers: Headers to sign, with lowercase names.
            watched: Whether the caller ends stalled responses.

        Raises:
            botocore.exceptions.ClientError: S3 sent an error response.
            botocore.exceptions.BotoCoreError: The bucket is invalid, or no credentials were issued.
            aiohttp.ClientError: The server cannot be reached, or the connection broke.
        """
        retries = _Retries()
        while True:
            route = await self._route(bucket)
            url = route.url_of(key)
            signed_at = self._clock.now()
            signed = await route.sign(url, headers, await self._access_key(), signed_at)
            signed["user-agent"] = route.user_agent
            failure = await self._send("GET", url, signed, watched)
            if isinstance(failure, ClientResponse):
                try:
                    await self._note_success(failure, retries)
                except BaseException:
                    failure.close()
                    raise
                return ObjectResponse(failure, route.algorithms)
            if failure.code == _SKEWED and not retries.has_corrected_clock:
                retries.has_corrected_clock = True
                if self._clock.correct(failure.date, signed_at):
                    continue
            wait = await self._wait_before_retry(failure, route, retries)
            if wait is None:
                raise failure.error
            # botocore knows the region of the bucket after a redirect, so resolve the route again.
            self._routes.pop(bucket, None)
            await asyncio.sleep(wait)

    async def head(
        self, bucket: str, key: str, headers: Mapping[str, str]
    ) -> Mapping[str, str] | None:
        """Return the headers of an object.

        Args:
            bucket: The bucket.
            key: The key of the object.
            headers: Headers to sign, with lowercase names.

        Returns:
            The headers, with case-insensitive names. None after an error: botocore must send the
            request, because the response to a HEAD request does not describe the error.

        Raises:
            botocore.exceptions.BotoCoreError: The bucket is invalid, or no credentials were issued.
        """
        route = await self._route(bucket)
        url = route.url_of(key)
        access_key = await self._access_key()
        signed = await route.sign(url, headers, access_key, self._clock.now(), "HEAD")
        signed["user-agent"] = route.user_agent
        found = await self._send("HEAD", url, signed, watched=False)
        if not isinstance(found, ClientResponse):
            return None
        found.release()
        await self._note_success(found, _Retries())
        return found.headers

    async def _route(self, bucket: str) -> Route:
        route = self._routes.get(bucket)
        if route is None:
            route = self._routes[bucket] = await resolve(self._client, bucket)
        return route

    async def _access_key(self) -> AccessKey | None:
        if self._session is None:
            return None
        credentials: Any = await self._session.get_credentials()
        found: AccessKey = await credentials.get_frozen_credentials()
        return found

    async def _send(
        self, method: str, url: URL, headers: dict[str, str], watched: bool
    ) -> ClientResponse | FailedAttempt:
        headers["accept-encoding"] = "identity"
        if self._limiter is not None:
            await self._limiter.on_sending_request(request=None)
        try:
            response = await self._http.request(
                method,
                url,
                headers=headers,
                # The session token must not be sent to another host.
                allow_redirects=False,
                auto_decompress=False,
                timeout=timeout_of(self._http, watched),
            )
            return response if response.status < 300 else await failure_of(response)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return FailedAttempt(error)

    async def _note_success(self, response: ClientResponse, retries: _Retries) -> None:
        """Report a response to botocore, which limits the rate and the number of retries."""
        answer = _ParsedResponse(response.status)
        if self._limiter is not None:
            await self._limiter.on_receiving_response(**self._event(retries, (answer, {}), None))
        await self._events.emit(
            "after-call.s3.GetObject",
            http_response=answer,
            parsed={},
            model=self._operation,
            context=retries.context,
        )

    async def _wait_before_retry(
        self, failure: FailedAttempt, route: Route, retries: _Retries
    ) -> float | None:
        """Return the wait in seconds before another attempt, or None after the last attempt."""
        retries.begin(route)
        caught = failure.caught(route.url)
        try:
            decisions = await self._events.emit(
                "needs-retry.s3.GetObject", **self._event(retries, failure.response, caught)
            )
        except Exception as error:
            if error is not caught:
                raise
            return None
        retries.attempts += 1
        decided: Any = next((wait for _, wait in decisions if wait is not None), None)
        return None if decided is None or decided is False else float(decided)

    def _event(
        self, retries: _Retries, response: object, caught: Exception | None
    ) -> dict[str, Any]:
        """Return the arguments of botocore's event `needs-retry`."""
        return {
            "response": response,
            "endpoint": None,
            "operation": self._operation,
            "attempts": retries.attempts,
            "caught_exception": caught,
            "request_dict": retries.request,
        }


@dataclass(slots=True)
class _Retries:
    """Number of attempts of a request, and the request in the form of botocore's handlers."""

    attempts: int = 1
    request: dict[str, Any] = field(default_factory=lambda: {"context": {}})
    has_corrected_clock: bool = False

    @property
    def context(self) -> dict[str, Any]:
        context: dict[str, Any] = self.request["context"]
        return context

    def begin(self, route: Route) -> None:
        """Copy the request of a route before the first retry, because handlers change requests."""
        if "url" not in self.request:
            context = dict(route.request["context"])
            context["s3_redirect"] = dict(context["s3_redirect"])
            self.request = {**route.request, "context": context}


@dataclass(slots=True)
class _ParsedResponse:
    """The part of a successful response that botocore's handlers read."""

    status_code: int
