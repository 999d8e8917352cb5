"""Internal: the requests to a bucket, through obstore."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from stac_asset.destinations.buckets.errors import MissingError
from stac_asset.destinations.buckets.objects import StoredObject
from stac_asset.destinations.object_store.errors import bucket_error, mapped_errors

MARK = "stac_asset_upload"
"""Name of the metadata that identifies the upload that made an object."""

CHECKSUM = "stac_asset_checksum"
"""Name of the metadata with the multihash of an object. Azure allows no hyphens."""

_BLOCK = 1024 * 1024
"""Minimum size, in bytes, of the blocks of a file that is read."""


class ObjectStore:
    """The requests to a bucket.

    Args:
        connect: Returns the `GCSStore` or `AzureStore` of obstore, at the first request.
        url: The URL of the bucket, without a slash at the end.
        storage_class: The storage class of new objects.
        action: What the run does with the bucket, for messages: `written` or `read`.
    """

    def __init__(
        self,
        connect: Callable[[], object],
        url: str,
        storage_class: str | None = None,
        action: str = "written",
    ) -> None:
        self._connect, self.url, self._storage_class = connect, url, storage_class
        self.action = action
        self._opened: Any = None

    def url_of(self, key: str) -> str:
        """Return the URL of an object.

        Args:
            key: The key in the bucket.
        """
        return f"{self.url}/{key}"

    @property
    def _store(self) -> Any:
        if self._opened is None:
            self._opened = self._connect()
        return self._opened

    async def head(self, key: str) -> StoredObject | None:
        """Return an object with the metadata, if the key has an object.

        Args:
            key: The key in the bucket.

        Raises:
            DestinationError: The request failed.
        """
        import obstore

        try:
            with mapped_errors(self.url_of(key), self.action):
                found = await obstore.get_async(self._store, key, options={"head": True})
        except MissingError:
            return None
        return _stored(found.meta, found.attributes)

    async def read(self, key: str, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the content of an object in blocks.

        Args:
            key: The key in the bucket.
            end: Maximum number of bytes.

        Raises:
            MissingError: There is no such object.
            DestinationError: The request failed.
        """
        import obstore

        with mapped_errors(self.url_of(key), self.action):
            if end is not None:
                found = await self.head(key)
                if found is None:
                    raise MissingError
                if found.size:
                    length = min(end, found.size)
                    yield bytes(
                        await obstore.get_range_async(self._store, key, start=0, length=length)
                    )
                return
            response = await obstore.get_async(self._store, key)
            async for block in response.stream(min_chunk_size=_BLOCK):
                yield bytes(block)

    async def document(self, key: str, limit: int) -> tuple[bytes, str] | None:
        """Return the content and the ETag of a small object, if the key has an object.

        Args:
            key: The key in the bucket.
            limit: Maximum size in bytes. The content of a larger object is not read.

        Raises:
            DestinationError: The request failed.
        """
        import obstore

        try:
            with mapped_errors(self.url_of(key), self.action):
                response = await obstore.get_async(self._store, key)
                found = _stored(response.meta)
                data = bytes(await response.bytes_async()) if found.size <= limit else b""
        except MissingError:
            return None
        return data, found.etag

    async def put(
        self, key: str, data: bytes | bytearray, current: StoredObject | None, **metadata: str
    ) -> StoredObject:
        """Replace the expected version of an object with a single request.

        Args:
            key: The key in the bucket.
            data: The content.
            current: The version to replace, with its generation. None if there is no object.
            metadata: The metadata of the object.

        Raises:
            ConflictError: The object has another version.
            DestinationError: The request failed.
        """
        import obstore

        mode: Any = "create"
        if current is not None:
            mode = {"e_tag": current.etag}
            if current.generation is not None:
                mode["version"] = current.generation
        with _writing(self.url_of(key)):
            written = await obstore.put_async(
                self._store, key, data, mode=mode, attributes=self._attributes(metadata)
            )
        return StoredObject(
            key, len(data), _quoted(written["e_tag"]), generation=written["version"]
        )

    async def put_parts(
        self, key: str, parts: AsyncIterator[bytes | bytearray], size: int, **metadata: str
    ) -> None:
        """Write an object in parts. An error of the iterator aborts the upload, and is raised.

        Args:
            key: The key in the bucket.
            parts: The content, in parts of the given size.
            size: Size of a part in bytes.
            metadata: The metadata of the object.

        Raises:
            DestinationError: A request failed.
        """
        import obstore

        with _writing(self.url_of(key)):
            await obstore.put_async(
                self._store,
                key,
                parts,
                use_multipart=True,
                chunk_size=size,
                max_concurrency=1,
                attributes=self._attributes(metadata),
            )

    def _attributes(self, metadata: Mapping[str, str]) -> dict[str, str]:
        attributes = dict(metadata)
        if self._storage_class is not None:
            attributes["Storage-Class"] = self._storage_class
        return attributes

    async def delete(self, key: str) -> None:
        """Delete an object. A missing object is no error.

        Args:
            key: The key in the bucket.

        Raises:
            DestinationError: The request failed.
        """
        import obstore

        try:
            with mapped_errors(self.url_of(key), self.action):
                await obstore.delete_async(self._store, key)
        except MissingError:
            return

    async def pages(self, folder: str = "", size: int = 1000) -> AsyncIterator[list[StoredObject]]:
        """Yield the objects below a folder.

        Args:
            folder: The start of the keys, with a slash at the end. Empty for the whole bucket.
            size: Number of objects of a page.

        Raises:
            MissingError: The bucket does not exist.
            DestinationError: The request failed.
        """
        import obstore

        with mapped_errors(self.url_of(folder), self.action):
            stream = obstore.list(self._store, folder or None, chunk_size=size)
            async for page in stream:
                yield [_stored(one) for one in page]

    async def folder(self, folder: str) -> tuple[list[StoredObject], list[str]]:
        """Return the objects of a folder and the subfolders, without the objects of the subfolders.

        Args:
            folder: The start of the keys, with a slash at the end. Empty for the whole bucket.

        Raises:
            MissingError: The bucket does not exist.
            DestinationError: The request failed.
        """
        import obstore

        with mapped_errors(self.url_of(folder), self.action):
            listed = await obstore.list_with_delimiter_async(self._store, folder or None)
        return [_stored(one) for one in listed["objects"]], [
            f"{one}/" for one in listed["common_prefixes"]
        ]


@contextmanager
def _writing(url: str) -> Iterator[None]:
    """Map the errors of a request that writes. Only a missing bucket is missing then."""
    try:
        with mapped_errors(url):
            yield
    except MissingError:
        raise bucket_error(url) from None


def _stored(found: Any, metadata: Mapping[str, str] | None = None) -> StoredObject:
    return StoredObject(
        found["path"],
        found["size"],
        _quoted(found["e_tag"]),
        found["last_modified"].timestamp(),
        metadata or {},
        found["version"],
    )


def _quoted(etag: str | None) -> str:
    """Return an ETag with quotes, which listings of Azure omit."""
    text = (etag or "").strip('"')
    return f'"{text}"'
