"""Clients for objects of Google Cloud Storage and Azure, through obstore.

Requests are signed if credentials are found, and unsigned otherwise, so that private and public
objects can be read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal, Self
from urllib.parse import unquote

from yarl import URL

from stac_asset import validate
from stac_asset.clients.object_store.access import identity_for, source_error
from stac_asset.clients.range_client import RangeClient
from stac_asset.config import Config
from stac_asset.errors import ConfigError, HrefError, SchemeError
from stac_asset.object_store.buckets import Bucket
from stac_asset.object_store.connection import Limits, is_installed, missing_extra, open_store
from stac_asset.object_store.failures import FailureReason, failure_of
from stac_asset.object_store.identity import AzureIdentity, GcsIdentity
from stac_asset.redact import redact_href
from stac_asset.transfer.declared_format import names_directory
from stac_asset.transfer.interface import Request, Response, Stat

_BLOCK = 1024 * 1024
"""Minimum size, in bytes, of the chunks of a response."""


@dataclass(frozen=True, slots=True)
class _ObjectTarget:
    """The object of a request."""

    store: Any
    """The store of obstore."""

    bucket: Bucket
    """The bucket."""

    key: str
    """The key in the bucket."""

    shown: str
    """The redacted href."""

    is_anonymous: bool
    """Whether the requests have no credentials."""


class _ObjectStoreClient(RangeClient):
    """Base class of the clients.

    Args:
        identity: The identity that signs requests. By default, requests are signed if the
            environment has credentials. With an identity without fields, the credentials of the
            environment or the machine sign all requests.
        buckets: The names of the buckets or containers that this client claims; by default all.
        check_content_type: If true, a content type that differs from the asset's is an error. If
            false, the difference is logged as a warning.
        read_timeout: Seconds without a byte after which an attempt fails.

    Raises:
        ConfigError: obstore is not installed.
    """

    _service: ClassVar[Literal["gcs", "azure"]]

    def __init__(
        self,
        identity: GcsIdentity | AzureIdentity | None = None,
        buckets: Iterable[str] = (),
        check_content_type: bool = True,
        read_timeout: float = Config.http_read_timeout,
    ) -> None:
        if not is_installed():
            raise ConfigError(f"{type(self).__name__}: {missing_extra(self._service)}")
        self._identity, self._buckets = identity, frozenset(buckets)
        self.check_content_type = check_content_type
        self.read_timeout = read_timeout
        self._stores: dict[Bucket, tuple[Any, bool]] = {}

    def claims(self, url: URL) -> bool:
        """Return whether a URL is in this client's buckets, and in the account of the identity.

        Args:
            url: An absolute URL, or a URL without a scheme for a local path.
        """
        own = getattr(self._identity, "account", None)
        if not super().claims(url) or not (self._buckets or own):
            return super().claims(url)
        bucket = Bucket.parse(_store_of(url))
        if bucket is None or (own and bucket.account not in (None, own)):
            return False
        return not self._buckets or bucket.name in self._buckets

    def _target(self, url: URL) -> _ObjectTarget:
        """Return the object of a URL.

        Raises:
            SchemeError: The URL is of another service.
            HrefError: The URL has no valid bucket or no key.
            ConfigError: The storage account is unknown, or the credentials are not valid.
        """
        shown, bucket = redact_href(url), Bucket.parse(_store_of(url))
        if not super().claims(url):
            raise SchemeError(f"'{shown}' is not a URL of client '{self.name}'")
        key = unquote(str(url).partition("://")[2].partition("/")[2])
        if bucket is None or not key:
            raise HrefError(f"href '{shown}' has no valid bucket or container, or no key")
        if bucket not in self._stores:
            identity = identity_for(bucket, self._identity)
            try:
                store = open_store(bucket, identity, Limits(self.read_timeout))
            except ConfigError as error:
                raise ConfigError(f"{shown} cannot be read: {error}") from None
            self._stores[bucket] = store, identity.anonymous
        store, is_anonymous = self._stores[bucket]
        return _ObjectTarget(store, bucket, key, shown, is_anonymous)

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        """Open an object at the request's offset.

        Args:
            request: The object and the requested bytes.

        Raises:
            SchemeError: The URL is of another service.
            HrefError: The URL has no valid bucket or no key.
            NotFoundError: The object does not exist.
            ContentError: The object does not exist, but is a prefix of other objects.
            ContentTypeError: The content type of the object differs from the asset's.
        """
        target = self._target(request.url)
        with self.naming_credentials(request.url):
            found = await self._get(target, request)
            self._check_type(found.attributes, request, target)
            etag, (first, end) = found.meta["e_tag"], found.range
            size = found.meta["size"]
            is_part = (first, end) != (0, size)
            yield Response(
                _chunks(found, target, request.accepts_views),
                first,
                size,
                etag if etag and not etag.startswith("W/") else None,
                ranges=bool(etag),
                end=end if is_part else None,
                encoding=found.attributes.get("Content-Encoding"),
                content_type=found.attributes.get("Content-Type"),
            )

    async def _get(self, target: _ObjectTarget, request: Request) -> Any:
        import obstore

        if request.validator and (request.offset or request.end):
            options: dict[str, Any] = {"if_match": request.validator}
            if request.end is not None:
                options["range"] = (request.offset, request.end)
            else:
                options["range"] = {"offset": request.offset}
            try:
                return await obstore.get_async(target.store, target.key, options=options)  # type: ignore[arg-type]
            except Exception as error:
                # The object changed (412), or the part file is complete or too long (416): restart.
                is_other = failure_of(error).reason in (FailureReason.CONFLICT, FailureReason.RANGE)
                if not is_other or request.end is not None:
                    raise _error_of(error, target) from None
        try:
            return await obstore.get_async(target.store, target.key)
        except Exception as error:
            await self._check_prefix(target, error, request)
            raise _error_of(error, target) from None

    async def _check_prefix(
        self, target: _ObjectTarget, error: Exception, request: Request
    ) -> None:
        """Raise an error if a missing object is a prefix of other objects, such as a Zarr store."""
        import obstore

        is_missing = failure_of(error).reason is FailureReason.MISSING
        has_suffix = PurePosixPath(target.key).suffix and not names_directory(request.url)
        if not is_missing or has_suffix:
            return
        found = False
        with suppress(Exception):  # Listing often requires further permissions.
            async for page in obstore.list(target.store, target.key.rstrip("/"), chunk_size=1):
                found = bool(page)
                break
        if found:
            raise validate.directory_error(target.shown) from None

    def _check_type(self, attributes: Any, request: Request, target: _ObjectTarget) -> None:
        content_type = attributes.get("Content-Type")
        if content_type != request.content_type:
            validate.check_content_type(
                content_type, request.content_type, self.check_content_type, target.shown
            )

    async def stat(self, request: Request) -> Stat:
        """Return the size and the content type of an object.

        Args:
            request: The object.
        """
        import obstore

        target = self._target(request.url)
        with self.naming_credentials(request.url):
            try:
                found = await obstore.get_async(target.store, target.key, options={"head": True})
            except Exception as error:
                await self._check_prefix(target, error, request)
                raise _error_of(error, target) from None
            return Stat(found.meta["size"], found.attributes.get("Content-Type"))

    async def close(self) -> None:
        """Close this client and all connections."""
        self._stores.clear()

    @classmethod
    async def from_config(
        cls,
        config: Config,
        identity: GcsIdentity | AzureIdentity | None = None,
        buckets: Iterable[str] = (),
    ) -> Self:
        """Create a client from a configuration.

        Args:
            config: The configuration.
            identity: The identity that signs requests. By default, requests are signed if the
                environment has credentials.
            buckets: The names of the buckets or containers that the client claims; by default all.

        Raises:
            ConfigError: obstore is not installed.
        """
        client = cls(identity, buckets, config.http_check_content_type, config.http_read_timeout)
        client.made_from = config.copy()
        return client


class GcsClient(_ObjectStoreClient):
    """A client for Google Cloud Storage (`gs://bucket/key`). Needs the extra `gcs`."""

    name = "gcs"
    _service = "gcs"


class AzureClient(_ObjectStoreClient):
    """A client for Azure Blob Storage. Needs the extra `azure`.

    The URLs are `az://container/key`, `abfs://container/key` and
    `abfs://container@account.dfs.core.windows.net/key`. The first two need an account: that of the
    identity, or the variable `AZURE_STORAGE_ACCOUNT_NAME`.
    """

    name = "azure"
    _service = "azure"


def _store_of(url: URL) -> str:
    """Return the scheme and the authority of a URL."""
    scheme, _, rest = str(url).partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _error_of(error: Exception, target: _ObjectTarget, is_body: bool = False) -> Exception:
    return source_error(error, target.shown, target.bucket, target.is_anonymous, is_body)


async def _chunks(
    found: Any, target: _ObjectTarget, accepts_views: bool
) -> AsyncIterator[bytes | memoryview]:
    try:
        async for chunk in found.stream(min_chunk_size=_BLOCK):
            yield memoryview(chunk) if accepts_views else bytes(chunk)
    except Exception as error:
        raise _error_of(error, target, is_body=True) from None
