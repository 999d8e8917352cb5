"""TODO."""

from __future__ import annotations

import re

from yarl import URL

_ROUTES = [
    (re.compile(scheme), re.compile(host) if host is not None else None, name)
    for scheme, host, name in (
        (r"|file", None, "filesystem"),
        (r"s3", None, "s3"),
        (r"https?", r"[a-z0-9]+\.blob\.core\.windows\.net", "planetary-computer"),
        (r"https", r"([a-z0-9-]+\.)*earthdata(cloud)?\.nasa\.gov", "earthdata"),
        (r"https?", None, "http"),
    )
]
"""Scheme, host (None: any) and the client's name. Each pattern has to match as a whole."""


def route(url: URL) -> str | None:
    """Returns the name of the client that the table gives a url to, or None.

    Args:
        url: The url; without a scheme it is a local path.
    """
    asked = (url.host or "").lower().rstrip(".")
    for scheme, host, name in _ROUTES:
        if scheme.fullmatch(url.scheme) and (host is None or host.fullmatch(asked)):
            return name
    return None
