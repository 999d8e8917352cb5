"""Internal: the Earthdata application that a user must approve to read a file.

Each archive is an application of the Earthdata login. A valid token is refused until its user has
approved the application of the archive: https://urs.earthdata.nasa.gov/documentation/faq.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from yarl import URL

from stac_asset.clients.earthdata.hosts import DAAC_HOSTS
from stac_asset.host_patterns import HostPattern

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,40}")
"""Form of the public id of an application."""

_NAMES = {"e2WVk8Pw6weeLUKZYOxvTQ": "NASA GESDISC DATA ARCHIVE"}
"""Names of applications, by client id: https://disc.gsfc.nasa.gov/earthdata-login."""

_GES_DISC = re.compile(r"(.+\.)?gesdisc\..+", re.I)


def approval_advice(requested: URL, answered: URL) -> str:
    """Return advice to approve an application, without the final period.

    Args:
        requested: The URL of the file.
        answered: The URL of the response, after all redirects. If the login host sent the user
            back, or sent a login page, the query names the application.
    """
    return (
        "Generate a new token, or approve "
        f"{_application(requested, answered)} at https://urs.earthdata.nasa.gov/profile "
        "(Applications, Authorized Apps)"
    )


def _application(requested: URL, answered: URL) -> str:
    for client_id in _client_ids(answered):
        name = _NAMES.get(client_id)
        return f"the application '{name}'" if name else f"the application with the id {client_id}"
    host = requested.host or ""
    if _GES_DISC.fullmatch(host):
        return "the application 'NASA GESDISC DATA ARCHIVE'"
    for pattern, daac in DAAC_HOSTS.items():
        if HostPattern.parse(pattern).match(requested) is not None:
            return f"the application of the {daac}"
    return f"the application of the archive at {host}"


def _client_ids(answered: URL) -> Iterator[str]:
    """Yield the public ids of applications in the query of a URL."""
    queries = [answered.query]
    if resolution := answered.query.get("resolution_url"):
        with suppress(ValueError):
            queries.append(URL(resolution).query)
    for query in queries:
        client_id = query.get("client_id", "")
        if _CLIENT_ID.fullmatch(client_id):
            yield client_id
