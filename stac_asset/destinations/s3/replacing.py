"""Internal: conditional replacement of an object."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from stac_asset.destinations.buckets.errors import ConflictError, MissingError
from stac_asset.destinations.s3.errors import UnsupportedError
from stac_asset.destinations.s3.objects import MARK
from stac_asset.destinations.s3.store import S3Store
from stac_asset.destinations.values import VersionError

_ATTEMPTS = 5
"""Number of attempts to replace an object while the service asks to repeat the request."""

_DELAY = 0.2
"""Seconds between two of these attempts, at first."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """The object that an upload replaces, as the condition of the request."""

    etag: str | None
    """The ETag of the present object, if any."""

    checked: bool = True
    """Whether the service supports conditional requests."""

    def condition(self) -> Mapping[str, str]:
        """Return the parameters of the request."""
        if not self.checked:
            return {}
        return {"IfNoneMatch": "*"} if self.etag is None else {"IfMatch": self.etag}


async def replace_object(
    store: S3Store,
    key: str,
    mark: str,
    replaced: Replaced,
    send: Callable[[Mapping[str, str]], Awaitable[str]],
) -> str:
    """Send a request that replaces an object, and return the new ETag.

    A request may have been carried out although its response was lost. The repeated request then
    fails, and the metadata of the object tells that the first one was carried out.

    Args:
        store: The bucket.
        key: The key of the object.
        mark: The mark of the upload in the metadata.
        replaced: The present object of the key.
        send: Sends the request with a condition.

    Raises:
        VersionError: Another run has replaced the object.
        DestinationError: The request failed.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        condition = replaced.condition()
        if not condition and await _etag_of(store, key) != replaced.etag:
            break
        try:
            return await send(condition)
        except UnsupportedError:  # Some services know conditions for small objects only.
            replaced = replace(replaced, checked=False)
        except (ConflictError, MissingError) as error:
            found = await store.head(key)
            if found is not None and found.metadata.get(MARK) == mark:
                return found.etag
            may_repeat = isinstance(error, ConflictError) and error.repeat
            is_unchanged = (found.etag if found is not None else None) == replaced.etag
            if not may_repeat or not is_unchanged or attempt == _ATTEMPTS:
                break
            await asyncio.sleep(_DELAY * 2**attempt)
    raise VersionError.of(store.url_of(key))


async def _etag_of(store: S3Store, key: str) -> str | None:
    found = await store.head(key)
    return found.etag if found is not None else None
