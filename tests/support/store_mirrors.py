"""Mirrors in buckets: runs, and readers of the objects that do not use the code under test."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, unquote, urljoin

from stac_asset import Config
from stac_asset.testing import Origin
from tests.support.mirror_runs import CONFIG, MirrorRun, build_item, run_mirror
from tests.support.object_stores import AzureContainer, GcsBucket
from tests.support.s3_destinations import Bucket

_FOLLOWED = ("root", "parent", "collection", "child", "item")
"""Relations of the links to documents of the mirror."""


def store_config(store: Config, **fields: object) -> Config:
    """Return the configuration of mirror tests, with the destination options of a bucket."""
    config = CONFIG.copy()
    for name in ("endpoint_url", "access_key_id", "secret_access_key"):
        setattr(config, f"destination_{name}", getattr(store, f"destination_{name}"))
    config.destination_acl = "public-read"  # `HttpReader` sends no credentials.
    for field, value in fields.items():
        setattr(config, field, value)
    return config


def mirror_url(bucket: Bucket) -> str:
    """Return the URL of the mirror."""
    return f"s3://{bucket.name}/{bucket.prefix}"


async def run_in_bucket(bucket: Bucket, href: str, config: Config, **options: Any) -> MirrorRun:
    """Run a mirror in a bucket once. The options are those of `run_mirror`."""
    return await run_mirror(mirror_url(bucket), href, config=config, **options)


def items_of(origin: Origin, *names: str) -> list[dict[str, Any]]:
    """Return items with an asset per item."""
    return [build_item(origin, name) for name in names]


class HttpReader:
    """Reads the mirror of a bucket by HTTP, as a browser of catalogs does."""

    def __init__(self, bucket: Bucket) -> None:
        self.root = f"{bucket.endpoint}/{bucket.name}/{bucket.prefix}/"

    def get(self, href: str) -> bytes | None:
        """Return the content of an existing object."""
        try:
            with urllib.request.urlopen(href) as response:
                data: bytes = response.read()
                return data
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def check(self) -> set[str]:
        """Follow all links from the catalog once, and return the ids of the items.

        A missing object is an error if the document that links to it still exists, and still has
        the link.

        Raises:
            AssertionError: A document is not valid JSON, or a link leads to a missing object.
        """
        catalog = urljoin(self.root, "catalog.json")
        data = self.get(catalog)
        return self._follow(catalog, data, set()) if data is not None else set()

    def _follow(self, href: str, data: bytes, known: set[str]) -> set[str]:
        known.add(href)
        ids = set()
        document = json.loads(data)
        if document["type"] == "Feature":
            ids.add(document["id"])
        for target in self._targets(href, document):
            if target in known:
                continue
            found = self.get(target)
            if found is None:
                again = self.get(href)
                is_linked = again is not None and target in self._targets(href, json.loads(again))
                # The object may have been written after the first request.
                assert not is_linked or self.get(target) is not None, f"{href} links to {target}"
            elif target.endswith(".json"):
                ids |= self._follow(target, found, known)
        return ids

    @staticmethod
    def _targets(href: str, document: dict[str, Any]) -> list[str]:
        hrefs = [link["href"] for link in document["links"] if link["rel"] in _FOLLOWED]
        hrefs += [asset["href"] for asset in document.get("assets", {}).values()]
        relative = [one for one in hrefs if one.startswith(".")]
        return [urljoin(href, quote(one, safe="/.%~")) for one in relative]


class ContentReader(HttpReader):
    """Reads the mirror in a bucket of Google Cloud Storage or Azure."""

    def __init__(self, bucket: GcsBucket | AzureContainer) -> None:
        self.root, self._bucket = "http://mirror/", bucket

    def get(self, href: str) -> bytes | None:
        """Return the content of an existing object."""
        return self._bucket.content(unquote(href.removeprefix(self.root)))


class PollingReader:
    """Checks a mirror again and again in a thread, as a context manager."""

    def __init__(self, bucket: Bucket) -> None:
        self._reader = HttpReader(bucket)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll)
        self.seen: list[set[str]] = []
        """The ids of the items, by check."""
        self.error: AssertionError | None = None

    def __enter__(self) -> PollingReader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _poll(self) -> None:
        while not self._stopping.is_set():
            try:
                self.seen.append(self._reader.check())
            except AssertionError as error:
                self.error = error
                return
