"""Finds the clients of a run before anything else: a missing credential fails it at once."""

from __future__ import annotations

from collections.abc import Iterable

from flows.options import DownloadOptions
from flows.tasks import check_asset_exists, resolve_client
from stac_asset.errors import HrefError, SchemeError
from stac_asset.hrefs import parse_href
from stac_asset.pool import bounded
from stac_asset.types import Transfer


class Hosts:
    """The hosts of a run, one href for each."""

    def __init__(self) -> None:
        self._hrefs: dict[tuple[str, str | None], str] = {}

    def add(self, transfers: Iterable[Transfer]) -> None:
        """Takes note of the hosts of some transfers.

        Args:
            transfers: What is planned.
        """
        for transfer in transfers:
            for candidate in transfer.candidates:
                try:
                    url = parse_href(candidate.href)
                except HrefError:
                    continue  # The trouble of its own asset, and left to that.
                if (url.scheme, url.authority) not in self._hrefs:
                    href = f"{url.scheme}://{url.host_port_subcomponent}/" if url.host else "/"
                    self._hrefs[url.scheme, url.authority] = href

    async def resolve(self, options: DownloadOptions) -> None:
        """Makes the client of each host, in a task run each.

        Args:
            options: How to download.

        Raises:
            ConfigError: A credential is missing.
        """
        for href in self._hrefs.values():
            try:
                await resolve_client(href, options)
            except SchemeError:
                continue  # As above.


async def check_first(transfers: list[Transfer], options: DownloadOptions) -> None:
    """Asks of each asset whether it exists, in a task run each.

    Args:
        transfers: What is planned.
        options: How to ask.

    Raises:
        StacAssetError: One of them does not exist, or cannot be had.
    """

    async def check(transfer: Transfer) -> None:
        found = transfer.candidates[0]
        await check_asset_exists(transfer.key, found.href, options, found.storage)

    async for _ in bounded(check, transfers, options.max_concurrent_downloads):
        pass
