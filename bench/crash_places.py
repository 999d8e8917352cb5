"""The destinations of `bench.crash`: a directory, or a bucket behind a proxy that counts parts."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bench.catalog import DOCUMENT, Asset, Catalog, Found
from bench.lab import aws_environment
from bench.servers import free_port, running_server
from stac_asset.destinations.part_names import part_names
from stac_asset.destinations.s3.parts import DEFAULT_PART
from stac_asset.testing import S3Proxy

_BUCKET, _PREFIX = "crash", "out"


class Place(Protocol):
    """A destination of runs that are killed."""

    @property
    def config(self) -> Mapping[str, str]:
        """Fields of `Config`."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables of the runs."""

    @property
    def allowed(self) -> int:
        """Maximum number of repeated bytes for each open connection and kill."""

    @property
    def location(self) -> str:
        """The path or URL of the destination."""

    @property
    def parts_twice(self) -> int | None:
        """Number of parts that were sent again. None without parts."""

    @property
    def requests(self) -> Mapping[str, int]:
        """Number of requests to the destination by operation, if counted."""

    def found(self, catalog: Catalog) -> Found:
        """Return the state of the files of all assets after a kill.

        Args:
            catalog: The catalog.
        """

    def collected(self) -> Path:
        """Return a directory with all files of the destination."""

    def unfinished(self) -> list[str]:
        """Return the unfinished uploads that are no files."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory of this machine."""

    path: Path
    config: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    allowed: int = 128 * 1024
    parts_twice: None = None
    requests: Mapping[str, int] = field(default_factory=dict)

    @property
    def location(self) -> str:
        """The path of the directory."""
        return str(self.path)

    def found(self, catalog: Catalog) -> Found:
        """Return the state of the files of all assets after a kill."""
        return Found.of(catalog, self.path)

    def collected(self) -> Path:
        """Return the directory."""
        return self.path

    def unfinished(self) -> list[str]:
        """Return an empty list, because part files are files."""
        return []


@dataclass(frozen=True, slots=True)
class Bucket:
    """A prefix of a bucket."""

    proxy: S3Proxy
    client: Any
    """A client of botocore, without the proxy."""

    scratch: Path
    """A directory for copies of the objects."""

    allowed: int = DEFAULT_PART

    @property
    def location(self) -> str:
        """The URL of the prefix."""
        return f"s3://{_BUCKET}/{_PREFIX}"

    @property
    def config(self) -> Mapping[str, str]:
        """The endpoint of the proxy."""
        return {"destination_endpoint_url": self.proxy.url}

    @property
    def environment(self) -> Mapping[str, str]:
        """The credentials of the bucket."""
        return aws_environment()

    @property
    def parts_twice(self) -> int:
        """Number of parts, and of objects without parts, that were sent again.

        Requests that a kill interrupted are not counted.
        """
        sent = Counter(
            (one.key, one.part)
            for operation in ("UploadPart", "PutObject")
            for one in self.proxy.received(operation)
            if one.key.endswith(".tif")
        )
        return sent.total() - len(sent)

    @property
    def requests(self) -> Mapping[str, int]:
        """Number of requests by operation."""
        return Counter(one.operation for one in self.proxy.received())

    def found(self, catalog: Catalog) -> Found:
        """Return the state of the objects of all assets after a kill."""
        sizes = dict(self._objects())
        by_key = {self._key(asset): asset for asset in catalog.assets}
        finished = {asset.path for key, asset in by_key.items() if key in sizes}
        received = sum(by_key[key].size for key in sizes if key in by_key)
        parts = unnamed = 0
        for upload in self._uploads():
            listed = self.client.list_parts(
                Bucket=_BUCKET, Key=upload["Key"], UploadId=upload["UploadId"]
            )
            stored = sum(part["Size"] for part in listed.get("Parts", ()))
            received += stored
            parts += 1
            unnamed += stored == by_key[upload["Key"]].size
        names = (key.rpartition("/") for key in by_key if key in sizes)
        stale = sum(f"{folder}/{part_names(name)[1]}" in sizes for folder, _, name in names)
        return Found(frozenset(finished), received, parts, unnamed, stale)

    def collected(self) -> Path:
        """Return a directory with copies of all objects, and a document with paths."""
        for key, _ in self._objects():
            path = self.scratch / key.removeprefix(f"{_PREFIX}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for block in self.client.get_object(Bucket=_BUCKET, Key=key)["Body"].iter_chunks():
                    file.write(block)
        document = self.scratch / DOCUMENT
        if document.exists():
            document.write_text(document.read_text().replace(self.location, str(self.scratch)))
        return self.scratch

    def unfinished(self) -> list[str]:
        """Return the keys of the unfinished multipart uploads."""
        return [upload["Key"] for upload in self._uploads()]

    def _key(self, asset: Asset) -> str:
        return f"{_PREFIX}{asset.path}"

    def _objects(self) -> Iterator[tuple[str, int]]:
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=_BUCKET):
            yield from ((found["Key"], found["Size"]) for found in page.get("Contents", ()))

    def _uploads(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.list_multipart_uploads(Bucket=_BUCKET).get(
            "Uploads", []
        )
        return found


@contextmanager
def new_bucket(scratch: Path) -> Iterator[Bucket]:
    """Run an S3 service with an empty bucket, and yield the bucket.

    moto checks the conditions and checksums of requests, which faster servers do not.

    Args:
        scratch: A directory for copies of the objects.
    """
    from botocore.session import get_session

    port = free_port()
    keys = aws_environment()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running_server(command, port), S3Proxy(f"http://127.0.0.1:{port}") as proxy:
        client: Any = get_session().create_client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name=keys["AWS_REGION"],
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )
        client.create_bucket(Bucket=_BUCKET)
        yield Bucket(proxy, client, scratch)
