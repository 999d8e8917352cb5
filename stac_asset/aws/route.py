"""Internal: the URL and the signature of the objects of an S3 bucket, resolved once per bucket.

botocore has the endpoint rules: virtual hosts, paths, regions, partitions, dual stack and directory
buckets. For each request, botocore evaluates the rules, validates the parameters and builds the
request again, which takes longer than the transfer of a small object. A `Route` keeps the result
for all objects of the bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from yarl import URL

from stac_asset.aws.signature import AccessKey, SignedTarget, Signer

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client as BotocoreClient

_KEY = "key"
"""Key of the object in the request that botocore builds. The rules do not depend on the key."""

_ROUTE_KEY = "stac-asset-route-3f0c6a51"
"""The key for which `resolve_for_writing` returns the request. No object has this key."""

_SIGNATURES = frozenset({"v4", "s3v4"})
"""botocore's names of the signature that `Signer` creates."""


@dataclass(frozen=True, slots=True)
class Route:
    """The URL and the signer of a bucket."""

    url: URL
    """The URL of the bucket with a trailing slash. The encoded key follows."""

    host: str
    """Value of the `Host` header."""

    user_agent: str
    """Value of the `User-Agent` header."""

    algorithms: tuple[str, ...]
    """Checksums that botocore can compute, such as `crc32`, in the order of preference."""

    request: Mapping[str, Any] = field(repr=False)
    """The request of botocore, for the retry and redirect handlers."""

    signer: Signer | None = field(repr=False, default=None)
    """Signer of requests with a usual signature."""

    other_signer: Any = field(repr=False, default=None)
    """botocore's signer, for other signatures, such as those of directory buckets."""

    def url_of(self, key: str) -> URL:
        """Return the URL of an object.

        Args:
            key: The key.
        """
        return self.url.with_path(self.url.raw_path + quote(key, safe="/~"), encoded=True)

    @property
    def bucket_url(self) -> URL:
        """The URL of requests to the bucket, without the trailing slash of `url`."""
        path = self.url.raw_path
        return self.url.with_path(path.removesuffix("/") or path, encoded=True)

    async def sign(
        self,
        url: URL,
        headers: Mapping[str, str],
        access_key: AccessKey | None,
        seconds: float,
        method: str = "GET",
    ) -> dict[str, str]:
        """Return the headers of a GET or HEAD request, signed if the route has a signer.

        Args:
            url: The URL, as returned by `url_of`.
            headers: The headers to sign, with lowercase names.
            access_key: The access key. Requests without an access key are not signed.
            seconds: The time of the signature, in seconds since the epoch.
            method: The method of the request.
        """
        if access_key is None:
            return dict(headers)
        if self.signer is not None:
            target = SignedTarget(self.host, url.raw_path, method)
            return self.signer.sign(target, headers, access_key, seconds)
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(method, str(url), headers=dict(headers))
        request.context = {**self.request["context"]}
        await self.other_signer.sign("GetObject", request)
        return {name.lower(): value for name, value in request.headers.items()}


def resolve_without_sending(client: BotocoreClient) -> None:
    """Make `get_object` of a botocore client return the request, for `resolve`.

    Args:
        client: The client. Its other methods are not changed.
    """
    events: Any = client.meta.events
    # The last handler, because other handlers of this event change the request.
    events.register_last("before-call.s3.GetObject", _answer)


async def resolve(client: BotocoreClient, bucket: str) -> Route:
    """Return the route to the objects of a bucket.

    Args:
        client: A botocore client, prepared by `resolve_without_sending`.
        bucket: The name of the bucket.

    Raises:
        botocore.exceptions.BotoCoreError: The name is not valid, or the rules have no endpoint.
    """
    answer: Any = await client.get_object(Bucket=bucket, Key=_KEY, ChecksumMode="ENABLED")
    return _route_of(answer, _KEY)


async def resolve_for_writing(client: BotocoreClient, bucket: str) -> Route:
    """Return the route to the objects of a bucket, by a client that also sends requests.

    Args:
        client: A botocore client.
        bucket: The name of the bucket.

    Raises:
        botocore.exceptions.BotoCoreError: The name is not valid, or the rules have no endpoint.
    """
    events: Any = client.meta.events
    events.register_last("before-call.s3.PutObject", _answer_route, unique_id="stac-asset-route")
    answer: Any = await client.put_object(Bucket=bucket, Key=_ROUTE_KEY)
    return _route_of(answer, _ROUTE_KEY)


def _route_of(answer: Any, key: str) -> Route:
    request, other_signer = answer["request"], answer["signer"]
    context = request["context"]
    signing = context.get("signing", {})
    sent = URL(request["url"], encoded=True)
    # The `Host` header of the request must equal the signed one, which is in lower case.
    origin = URL(f"{sent.scheme}://{sent.raw_authority.lower()}", encoded=True)
    url = origin.with_path(sent.raw_path.removesuffix(key), encoded=True)
    signer = None
    if context["auth_type"] in _SIGNATURES:
        signer = Signer(signing["region"], signing["signing_name"])
    return Route(
        url=url,
        host=url.host_port_subcomponent or "",
        user_agent=request["headers"]["User-Agent"],
        algorithms=tuple(context.get("checksum", {}).get("response_algorithms", ())),
        request=request,
        signer=signer,
        other_signer=other_signer,
    )


class _Success:
    """The response that botocore gets in place of sending the request."""

    status_code = 200


def _answer(
    params: dict[str, Any], request_signer: Any, **_: Any
) -> tuple[_Success, dict[str, Any]]:
    """Handle botocore's `before-call` event."""
    return _Success(), {"request": params, "signer": request_signer}


def _answer_route(
    params: dict[str, Any], request_signer: Any, **_: Any
) -> tuple[_Success, dict[str, Any]] | None:
    """Handle botocore's `before-call` event: do not send the request of `resolve_for_writing`."""
    if not params["url"].endswith(f"/{_ROUTE_KEY}"):
        return None
    return _answer(params, request_signer)
