"""Internal: the buckets and containers that URLs of Google Cloud Storage and Azure name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Self

SCHEMES = frozenset({"gs", "az", "abfs", "abfss"})
"""Schemes of the URLs of Google Cloud Storage and Azure."""

_GCS_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
"""Names of buckets. Source: https://cloud.google.com/storage/docs/buckets#naming"""

_AZURE_NAME = re.compile(r"\$root|\$web|\$logs|[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]")
"""Names of containers.

Source: https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers
"""

_AZURE_HOST = re.compile(
    r"([a-z0-9]{3,24})\.(?:dfs|blob)\.(core\.(?:windows\.net|chinacloudapi\.cn|usgovcloudapi\.net))"
)
"""Hosts of storage accounts. Credentials are not sent to other hosts that a URL names."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of Google Cloud Storage, or a container of Azure."""

    service: Literal["gcs", "azure"]
    """The service."""

    name: str
    """The name of the bucket or container."""

    account: str | None = None
    """The storage account that the URL names."""

    endpoint: str | None = None
    """The URL of the blob service of this account."""

    @classmethod
    def parse(cls, store: str) -> Self | None:
        """Return the bucket of a URL.

        The URLs of Azure are `az://container`, `abfs://container` and
        `abfs://container@account.dfs.core.windows.net`.

        Args:
            store: The URL without a key.

        Returns:
            The bucket, or None if the URL names no valid bucket.
        """
        scheme, _, authority = store.partition("://")
        if scheme == "gs":
            return cls("gcs", authority) if _GCS_NAME.fullmatch(authority) else None
        if scheme not in SCHEMES:
            return None
        name, at, host = authority.partition("@")
        if not _AZURE_NAME.fullmatch(name):
            return None
        if not at:
            return cls("azure", name)
        found = _AZURE_HOST.fullmatch(host)
        if found is None:
            return None
        return cls("azure", name, found[1], f"https://{found[1]}.blob.{found[2]}")
