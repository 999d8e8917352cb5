"""Internal: the connection to a bucket, and the URLs of keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from stac_asset.destinations.s3.errors import mapped_s3_errors
from stac_asset.destinations.s3.objects import ObjectSettings

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client as BotocoreClient


class BucketConnection:
    """The connection to a bucket of an S3 service.

    Args:
        connect: Returns the open botocore client. The result is kept.
        bucket: The name of the bucket.
        settings: The properties of new objects.
        action: What the run does with the bucket, for messages: `written` or `read`.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[BotocoreClient]],
        bucket: str,
        settings: ObjectSettings | None = None,
        action: str = "written",
    ) -> None:
        self._connect = connect
        self.bucket = bucket
        self.action = action
        self.settings = (settings or ObjectSettings()).parameters()

    async def client(self) -> BotocoreClient:
        """Return the client, changed to send bodies without asking the service first.

        botocore announces the body of a file-like object with the header `Expect`. The answer
        costs a round trip, and some services do not send it.
        """
        client = await self._connect()
        events: Any = client.meta.events
        events.register_last("before-call.s3", _without_expect, unique_id="stac-asset-expect")
        events.register_last(
            "before-call.s3.UploadPart", _with_trailer, unique_id="stac-asset-trailer"
        )
        return client

    def errors(self, key: str) -> AbstractContextManager[None]:
        """Raise the errors of a request as errors of this package.

        Args:
            key: The key of the request.
        """
        return mapped_s3_errors(self.url_of(key), self.action)

    def url_of(self, key: str) -> str:
        """Return the URL of a key, for messages.

        Args:
            key: The key in the bucket.
        """
        return f"s3://{self.bucket}/{key}"


def _without_expect(params: dict[str, Any], **_: Any) -> None:
    """Handle botocore's `before-call` event."""
    params["headers"].pop("Expect", None)


def _with_trailer(params: dict[str, Any], **_: Any) -> None:
    """Handle botocore's `before-call` event: send the checksum of a streamed body after the body.

    botocore does so over HTTPS only. Over HTTP, botocore would read the body twice.
    """
    algorithm = params["context"].get("checksum", {}).get("request_algorithm")
    if isinstance(algorithm, dict):
        algorithm["in"] = "trailer"
