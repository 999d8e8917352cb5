"""The error about a document that cannot be read names the href once."""

from __future__ import annotations

import pytest

from stac_asset.errors import StacAssetError, TransferError
from stac_asset.stac.unreadable import unreadable_text

HREF = "http://example.com/a.json"


@pytest.mark.parametrize(
    ("name", "message", "expected"),
    [
        (HREF, f"{HREF} cannot be reached: timeout", f"'{HREF}' cannot be reached: timeout"),
        (HREF, f"404 Not Found for {HREF}", f"'{HREF}' cannot be read: 404 Not Found"),
        (HREF, f"401 for {HREF}: log in", f"'{HREF}' cannot be read: 401: log in"),
        (
            HREF,
            f"404 Not Found for {HREF}.gz",
            f"'{HREF}' cannot be read: 404 Not Found for {HREF}.gz",
        ),
        ("/a.json", "File /a.json does not exist", "'/a.json' does not exist"),
        ("/a b.json", "File /a b.json cannot be read: x", "'/a b.json' cannot be read: x"),
        ("aa…", f"File {'a' * 300} does not exist", "'aa…' does not exist"),
        ("a.json", "the format is unknown", "'a.json' cannot be read: the format is unknown"),
    ],
)
def test_href_is_named_once(name: str, message: str, expected: str) -> None:
    error: StacAssetError = TransferError(message)
    assert unreadable_text(name, error) == expected
