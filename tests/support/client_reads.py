"""Reads of whole files through a client."""

from __future__ import annotations

from stac_asset.clients import Client


async def read_bytes(client: Client, href: str, content_type: str | None = None) -> bytes:
    """Return all bytes that `open_href` yields.

    Args:
        client: The client.
        href: The href of the file.
        content_type: The expected content type.
    """
    chunks = client.open_href(href, content_type=content_type)
    return b"".join([chunk async for chunk in chunks])
