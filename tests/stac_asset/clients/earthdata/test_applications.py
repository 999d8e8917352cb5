"""The Earthdata application that errors ask the user to approve."""

from __future__ import annotations

import pytest
from yarl import URL

from stac_asset.clients.earthdata.applications import approval_advice

LOGIN = "https://urs.earthdata.nasa.gov/oauth/authorize"
GES_DISC = "e2WVk8Pw6weeLUKZYOxvTQ"


@pytest.mark.parametrize(
    ("href", "answered", "application"),
    [
        (
            "https://data.gesdisc.earthdata.nasa.gov/a.nc4",
            None,
            "the application 'NASA GESDISC DATA ARCHIVE'",
        ),
        ("https://e4ftl01.cr.usgs.gov/a.hdf", None, "the application of the LP DAAC"),
        ("https://data.example.com/a", None, "the application of the archive at data.example.com"),
        ("https://x.com/a", f"{LOGIN}?client_id={GES_DISC}", "'NASA GESDISC DATA ARCHIVE'"),
        (
            "https://x.com/a",
            f"{LOGIN}?client_id=BO_n7nTIlMljdvU6kRRB3g",
            "id BO_n7nTIlMljdvU6kRRB3g",
        ),
        (
            "https://x.com/a",
            "https://x.com/login?error=access_denied&resolution_url="
            f"https%3A%2F%2Furs.earthdata.nasa.gov%2Fapprove_app%3Fclient_id%3D{GES_DISC}",
            "'NASA GESDISC DATA ARCHIVE'",
        ),
        ("https://x.com/a", f"{LOGIN}?client_id=<script>", "of the archive at x.com"),
        ("https://x.com/a", "https://x.com/?resolution_url=http%3A%2F%2F%5B", "archive at x.com"),
    ],
)
def test_application_is_named(href: str, answered: str | None, application: str) -> None:
    text = approval_advice(URL(href), URL(answered or href))
    assert application in text
    assert text.startswith("Generate a new token, or approve the application")
    assert text.endswith(
        "at https://urs.earthdata.nasa.gov/profile (Applications, Authorized Apps)"
    )
    assert "<" not in text
