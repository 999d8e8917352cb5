"""Internal: selects signed or unsigned requests for each bucket.

Credentials of the machine may have expired, or belong to an account without access to a public
bucket. Then `BucketAccess` repeats a refused request without a signature, and remembers the buckets
that answer such requests. botocore calls requests without a signature "unsigned".
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

from stac_asset.clients.s3.errors import (
    RefusedPublicRequestError,
    code_of,
    refuses_credentials,
    refuses_request,
)
from stac_asset.errors import AccessError
from stac_asset.notices import notice

_MAX_DENIALS = 256
"""Number of refused requests without a signature after which a bucket counts as private.

Refusals do not prove that a bucket is private. Some services send status 403 for too many
connections. S3 sends it for missing objects too, unless the bucket may be listed."""

_LONE_DENIAL = 16
"""Weight of a refusal, as a number of refusals, if no other request to the bucket is pending.

The service then does not refuse because of too many connections."""

_CONDITION = (
    "The AWS credentials were not accepted, and buckets were read without credentials. Renew the "
    "credentials, or set `s3_unsigned`"
)
_TRUE = frozenset({"1", "yes", "true", "on", "y", "t"})

_Answer = TypeVar("_Answer")

Send = Callable[[bool], Awaitable[_Answer]]
"""Function that sends a request with or without a signature, and raises the errors of botocore."""


class EndpointBucket(NamedTuple):
    """A bucket of an endpoint."""

    endpoint: str | None
    name: str


def is_unsigned_environment(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether `AWS_NO_SIGN_REQUEST` is set, as in GDAL.

    https://gdal.org/en/stable/user/virtual_file_systems.html#vsis3-aws-s3-files

    Args:
        environment: The environment variables; by default those of the process.
    """
    variables = os.environ if environment is None else environment
    return variables.get("AWS_NO_SIGN_REQUEST", "").strip().lower() in _TRUE


class BucketAccess:
    """The buckets of a run that are read without a signature, although credentials were found."""

    def __init__(self) -> None:
        self._public: set[EndpointBucket] = set()
        self._accepted: set[EndpointBucket] = set()
        """The buckets that answered a request with a signature."""
        self._denials: Counter[EndpointBucket] = Counter()
        self._pending: Counter[EndpointBucket] = Counter()
        self._locks: defaultdict[EndpointBucket, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def request(
        self, bucket: EndpointBucket, send: Send[_Answer], failure: Exception | None = None
    ) -> _Answer:
        """Send a request with a signature, and repeat a refused request without a signature.

        For a bucket that is known to be public, the order is reversed.

        Args:
            bucket: The bucket.
            send: Function that sends the request.
            failure: The error of the search for credentials, if any.
        """
        send = partial(self._count, bucket, send)
        if bucket in self._public:
            return await self._request_public(send, failure)
        try:
            if failure is None:
                response = await send(True)
                self._accepted.add(bucket)
                return response
        except Exception as error:
            if not refuses_credentials(error):
                raise
            failure = error
        assert failure is not None, "a request without a failure returns"
        async with self._locks[bucket]:  # The first of concurrent requests decides for all.
            if bucket not in self._public:
                return await self._try_unsigned(bucket, send, failure)
        return await self._request_public(send, failure)

    async def _count(self, bucket: EndpointBucket, send: Send[_Answer], signed: bool) -> _Answer:
        self._pending[bucket] += 1
        try:
            return await send(signed)
        finally:
            self._pending[bucket] -= 1

    async def _try_unsigned(
        self, bucket: EndpointBucket, send: Send[_Answer], failure: Exception
    ) -> _Answer:
        if self._denials[bucket] >= _MAX_DENIALS:
            raise failure
        response, other = None, None
        try:
            response = await send(False)
        except Exception as error:
            other = error
        if other is not None and refuses_request(other):
            self._denials[bucket] += 1 if self._pending[bucket] else _LONE_DENIAL
            raise _with_denial(failure)
        is_public = other is None or code_of(other) in ("404", "NoSuchKey")
        if is_public and bucket not in self._accepted:
            self._public.add(bucket)
            notice(_CONDITION, f"s3://{bucket.name} ({code_of(failure) or type(failure).__name__})")
        if other is not None:
            raise other
        assert response is not None, "a request without an error has a response"
        return response

    async def _request_public(self, send: Send[_Answer], failure: Exception | None) -> _Answer:
        try:
            return await send(False)
        except Exception as error:
            if not refuses_request(error):
                raise
            refusal = RefusedPublicRequestError(error)
        if failure is not None:
            raise _with_denial(failure)
        try:
            return await send(True)  # Some objects of the bucket are private.
        except Exception as error:
            # The bucket may limit the connections, so the credentials are not the reason.
            raise refusal if refuses_credentials(error) else error from None


def _with_denial(failure: Exception) -> Exception:
    """Mark an error of the search for credentials as a possible connection limit.

    S3 refused the request without a signature too. A public bucket may limit the connections.
    """
    if isinstance(failure, AccessError):
        failure.may_be_limit = True
    return failure
