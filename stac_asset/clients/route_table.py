"""Table of URL patterns that assigns URLs to the built-in clients.

`Clients` uses the table for URLs that no other client claims. The default `Client.claims` uses the
table too. Each pattern must match the whole scheme or the whole host. A host name that merely
contains a provider's name therefore never receives the provider's credentials.
"""

from __future__ import annotations

import re
from functools import lru_cache

from yarl import URL

_ROUTES = [
    (re.compile(scheme), re.compile(host) if host is not None else None, name)
    for scheme, host, name in (
        (r"|file", None, "filesystem"),
        (r"s3", None, "s3"),
        (r"data", None, "data"),
        (r"gs", None, "gcs"),
        (r"az|abfss?", None, "azure"),
        (r"https?", r"[a-z0-9]+\.blob\.core\.windows\.net", "planetary-computer"),
        (r"https", r"([a-z0-9-]+\.)*earthdata(cloud)?\.nasa\.gov", "earthdata"),
        (r"https?", None, "http"),
    )
]
"""Scheme, host (or any) and client name. The first row with a full match applies."""


def route(url: URL) -> str | None:
    """Return the name of the built-in client for a URL, if a row matches.

    Args:
        url: The URL. A URL without a scheme is a local path.
    """
    return _route(url.scheme, url.host or "")


@lru_cache(maxsize=1024)
def _route(url_scheme: str, url_host: str) -> str | None:
    url_host = url_host.lower().rstrip(".")
    for scheme, host, name in _ROUTES:
        if scheme.fullmatch(url_scheme) and (host is None or host.fullmatch(url_host)):
            return name
    return None
