"""Finds the clients of a run before anything else: a missing credential fails it at once."""

from __future__ import annotations

import re
from collections.abc import Iterable

from prefect import get_run_logger
from yarl import URL

from flows.options import DownloadOptions
from flows.tasks import resolve_client
from stac_asset.clients import Client, Clients
from stac_asset.clients.named import NamedClient
from stac_asset.errors import HrefError, SchemeError
from stac_asset.hrefs import parse_href
from stac_asset.types import Candidate, Storage, Transfer

_HOST = re.compile(r"https?://[^/?#]+/")


class Hosts:
    """The hosts of a run, an href for each, and of each bucket one for each client of a part of it.

    Args:
        clients: The clients of the run.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._hrefs: dict[object, tuple[str, Storage | None]] = {}
        self._claimants: set[Client] = set()
        self._known: set[str] = set()

    def add(self, transfers: Iterable[Transfer]) -> None:
        """Takes note of the hosts of some transfers.

        Args:
            transfers: What is planned.
        """
        for transfer in transfers:
            for candidate in transfer.candidates:
                # Of very many hrefs, nearly all are of a host that is known: they need no parsing.
                start = _HOST.match(candidate.href)
                if start is not None and start.group() in self._known:
                    continue
                try:
                    url = parse_href(candidate.href)
                except HrefError:
                    continue  # The trouble of its own asset, and left to that.
                if url.scheme == "s3":
                    self._add_object(url, candidate)
                    continue
                if start is not None:
                    self._known.add(start.group())
                if (url.scheme, url.authority) not in self._hrefs:
                    href = f"{url.scheme}://{url.host_port_subcomponent}/" if url.host else "/"
                    self._hrefs[url.scheme, url.authority] = href, None
                    self._claimed(url)

    def _add_object(self, url: URL, candidate: Candidate) -> None:
        storage = candidate.storage
        pays = storage is not None and storage.requester_pays
        claimant = self._claimed(url)
        key = (url.scheme, url.authority, pays, claimant)
        if key not in self._hrefs:
            bucket = f"s3://{url.raw_host}/"
            whole = self._clients.claimant(parse_href(bucket)) is claimant
            self._hrefs[key] = bucket if whole else candidate.href, storage

    def _claimed(self, url: URL) -> Client | None:
        claimant = self._clients.claimant(url)
        if claimant is not None:
            self._claimants.add(claimant)
        return claimant

    async def resolve(self, options: DownloadOptions) -> None:
        """Makes the client of each host, in a task run each.

        Args:
            options: How to download.

        Raises:
            MissingCredentialError: A credential is missing.
        """
        for href, storage in self._hrefs.values():
            try:
                await resolve_client(href, options, storage=storage)
            except SchemeError:
                continue  # As above.
        for client in self._clients.callers:
            if isinstance(client, NamedClient) and client not in self._claimants:
                get_run_logger().warning("%s serves none of the assets", client.credentials)
