"""Buckets and containers as destinations, which tests read without the code under test."""

from __future__ import annotations

import itertools
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote
from xml.sax.saxutils import unescape

from stac_asset import AzureIdentity, GcsIdentity
from stac_asset.destinations.object_store import ObjectStore, ObjectStoreDestination
from stac_asset.object_store.buckets import Bucket
from stac_asset.object_store.connection import Limits, open_store
from tests.support.azurite import ACCOUNT, KEY, Azurite, account_sas
from tests.support.gcs_service import TOKEN, GcsService

PART = 5 * 1024 * 1024
"""Size of the parts in tests: the smallest of Google Cloud Storage."""

PREFIX = "mirror/data"
"""The prefix of the destinations in tests."""


def locations_outside(root: str) -> list[str]:
    """Return locations that are outside of a prefix or name no file.

    Args:
        root: The URL of the prefix.
    """
    return [
        root,
        f"{root}/",
        f"{root}/folder/",
        f"{root}-2/file.bin",
        f"{root}/../file.bin",
        f"{root}/item/../../file.bin",
        f"{root}//file.bin",
        f"{root.replace('://', '://x')}/file.bin",
        "/file.bin",
        "file.bin",
    ]


def destination_of(
    url: str, identity: GcsIdentity | AzureIdentity, retries: int = 1
) -> ObjectStoreDestination:
    """Return a new destination, as a later run would."""
    bucket = Bucket.parse(url)
    assert bucket is not None
    store = ObjectStore(lambda: open_store(bucket, identity, Limits(retries=retries)), url)
    return ObjectStoreDestination(store, PREFIX, identity.endpoint_url or "", PART)


@dataclass
class GcsBucket:
    """The bucket of the stand-in for Google Cloud Storage."""

    service: GcsService
    url: str = "gs://bucket"

    @property
    def identity(self) -> GcsIdentity:
        return GcsIdentity(token=TOKEN, endpoint_url=self.service.url)

    def destination(self) -> ObjectStoreDestination:
        return destination_of(self.url, self.identity)

    def content(self, key: str) -> bytes | None:
        found = self.service.objects.get(f"{PREFIX}/{key}")
        return found.data if found is not None else None

    def put(self, key: str, data: bytes) -> None:
        """Write an object as another program would."""
        self.service.put(f"{PREFIX}/{key}", data)

    def keys(self) -> set[str]:
        """Return the keys of the prefix."""
        return {key.removeprefix(f"{PREFIX}/") for key in self.service.objects}

    def has_leftovers(self) -> bool:
        names = [key.rpartition("/")[2] for key in self.service.objects]
        return bool(self.service.uploads) or any(name.startswith(".") for name in names)


@dataclass
class AzureContainer:
    """A container of Azurite."""

    azurite: Azurite
    name: str
    numbers: ClassVar[Iterator[int]] = itertools.count(1)

    @classmethod
    def create(cls, azurite: Azurite) -> AzureContainer:
        """Create a container with a new name."""
        container = cls(azurite, f"container-{next(cls.numbers)}")
        azurite.create(container.name)
        return container

    @property
    def url(self) -> str:
        return f"az://{self.name}"

    @property
    def identity(self) -> AzureIdentity:
        endpoint = f"{self.azurite.url}/{ACCOUNT}"
        return AzureIdentity(ACCOUNT, account_key=KEY, endpoint_url=endpoint)

    def destination(self) -> ObjectStoreDestination:
        return destination_of(self.url, self.identity)

    def content(self, key: str) -> bytes | None:
        return self._get(quote(f"{self.name}/{PREFIX}/{key}"), "")

    def put(self, key: str, data: bytes) -> None:
        """Write an object as another program would."""
        self.azurite.put(self.name, f"{PREFIX}/{key}", data)

    def keys(self) -> set[str]:
        """Return the keys of the prefix."""
        listing = (self._get(self.name, "restype=container&comp=list&") or b"").decode()
        names = {unescape(name) for name in re.findall("<Name>(.*?)</Name>", listing)}
        return {name.removeprefix(f"{PREFIX}/") for name in names}

    def _get(self, path: str, query: str) -> bytes | None:
        url = f"{self.azurite.url}/{ACCOUNT}/{path}?{query}{account_sas()}"
        try:
            with urllib.request.urlopen(url) as response:
                data: bytes = response.read()
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 404:
                    raise
            return None
        return data
