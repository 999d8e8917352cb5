"""Finds the clients of a run before anything else: a missing credential fails it at once."""

from __future__ import annotations

import re
from collections.abc import Iterable

from prefect import get_run_logger
from yarl import URL

from prefect_stac_asset.flows.parameters.credentials import missing_credential
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.tasks.clients import resolve_client
from stac_asset.clients import Client, Clients, Request
from stac_asset.errors import HrefError, MissingCredentialError, SchemeError, StacAssetError
from stac_asset.hrefs import parse_href
from stac_asset.types import Candidate, Storage, Transfer

_HOST = re.compile(r"https?://[^/?#]+/")


class RequiredClients:
    """The hosts of a run, an href for each, and of each bucket one for each client of a part of it.

    Args:
        clients: The clients of the run.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._hrefs: dict[object, tuple[str, Storage | None]] = {}
        self._choices: set[tuple[object, ...]] = set()
        """The hosts that a transfer may choose from, for all transfers. Most have one."""

        self._claimants: set[Client] = set()
        self._known: dict[str, object] = {}

    def add(self, transfers: Iterable[Transfer]) -> None:
        """Takes note of the hosts of some transfers.

        Args:
            transfers: What is planned.
        """
        for transfer in transfers:
            found = [self._host(candidate) for candidate in transfer.candidates]
            self._choices.add(tuple(host for host in found if host is not None))

    def _host(self, candidate: Candidate) -> object | None:
        # Of very many hrefs, nearly all are of a host that is known: they need no parsing.
        start = _HOST.match(candidate.href)
        if start is not None and start.group() in self._known:
            return self._known[start.group()]
        try:
            url = parse_href(candidate.href)
        except HrefError:
            return None  # The trouble of its own asset, and left to that.
        if url.scheme == "s3":
            return self._object(url, candidate)
        host = url.scheme, url.authority
        if start is not None:
            self._known[start.group()] = host
        if host not in self._hrefs:
            href = f"{url.scheme}://{url.host_port_subcomponent}/" if url.host else "/"
            self._hrefs[host] = href, None
            self._claimed(url)
        return host

    def _object(self, url: URL, candidate: Candidate) -> object:
        storage = candidate.storage
        pays = storage is not None and storage.requester_pays
        claimant = self._claimed(url)
        host = (url.scheme, url.authority, pays, claimant)
        if host not in self._hrefs:
            bucket = f"s3://{url.raw_host}/"
            whole = self._clients.claimant(parse_href(bucket)) is claimant
            self._hrefs[host] = bucket if whole else candidate.href, storage
        return host

    def _claimed(self, url: URL) -> Client | None:
        claimant = self._clients.claimant(url)
        if claimant is not None:
            self._claimants.add(claimant)
        return claimant

    async def resolve(self, options: DownloadOptions) -> None:
        """Makes the client of each host, in a task run each.

        Where a credential is missing for assets that can be had from elsewhere as well, that is
        only logged.

        Args:
            options: How to download.

        Raises:
            MissingCredentialError: A credential is missing.
        """
        passed_over = await self._passed_over()
        for host, (href, storage) in self._hrefs.items():
            if host in passed_over:
                get_run_logger().warning(
                    "%s: other addresses of the same assets are used", passed_over[host]
                )
                continue
            try:
                await resolve_client(href, options, storage=storage)
            except SchemeError:
                continue  # As above.
        for client in self._clients.callers:
            if client.credentials is not None and client not in self._claimants:
                get_run_logger().warning("%s serves none of the assets", client.credentials)

    async def _passed_over(self) -> dict[object, MissingCredentialError]:
        """Returns the hosts whose credential is missing, and that no transfer depends on."""
        several = {host for choice in self._choices if len(choice) > 1 for host in choice}
        missing: dict[object, MissingCredentialError] = {}
        closed = set()
        for host in several:
            href, storage = self._hrefs[host]
            try:
                client = await self._clients.get_client(href)
                await client.check(Request(parse_href(href), storage=storage))
            except MissingCredentialError as error:
                missing[host] = missing_credential(href, error)
                closed.add(host)
            except StacAssetError:
                closed.add(host)  # What is wrong with it is for its task run to say.
        needed = {host for choice in self._choices if closed.issuperset(choice) for host in choice}
        return {host: error for host, error in missing.items() if host not in needed}
