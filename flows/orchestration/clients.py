"""Resolve the clients of a run, so that a missing credential fails the run before any download."""

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
    """Hosts of the planned downloads, each with an href for which the client is resolved.

    A bucket counts as several hosts if different clients claim parts of it.

    Args:
        clients: The clients of the run.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._hrefs: dict[object, tuple[str, Storage | None]] = {}
        self._alternatives: set[tuple[object, ...]] = set()
        """Combinations of hosts in the hrefs of a transfer. Most transfers have a single host."""

        self._claimants: set[Client] = set()
        self._known: dict[str, object] = {}
        """Hosts by the start of an href, such as `https://example.com/`."""

    def add(self, transfers: Iterable[Transfer]) -> None:
        """Add the hosts of planned transfers.

        Args:
            transfers: The planned transfers.
        """
        for transfer in transfers:
            found = [self._host(candidate) for candidate in transfer.candidates]
            self._alternatives.add(tuple(host for host in found if host is not None))

    def _host(self, candidate: Candidate) -> object | None:
        # Nearly all hrefs have a known host. Parsing all of them would be slow.
        start = _HOST.match(candidate.href)
        if start is not None and start.group() in self._known:
            return self._known[start.group()]
        try:
            url = parse_href(candidate.href)
        except HrefError:
            return None  # The download of this asset raises the error.
        if url.scheme == "s3":
            return self._s3_host(url, candidate)
        if url.scheme == "data":
            return None  # The href contains the file.
        host = url.scheme, url.authority
        if start is not None:
            self._known[start.group()] = host
        if host not in self._hrefs:
            href = f"{url.scheme}://{url.host_port_subcomponent}/" if url.host else "/"
            self._hrefs[host] = href, None
            self._claimant(url)
        return host

    def _s3_host(self, url: URL, candidate: Candidate) -> object:
        storage = candidate.storage
        pays = storage is not None and storage.requester_pays
        claimant = self._claimant(url)
        host = (url.scheme, url.authority, pays, claimant)
        if host not in self._hrefs:
            bucket = f"s3://{url.raw_host}/"
            claims_bucket = self._clients.claimant(parse_href(bucket)) is claimant
            self._hrefs[host] = bucket if claims_bucket else candidate.href, storage
        return host

    def _claimant(self, url: URL) -> Client | None:
        claimant = self._clients.claimant(url)
        if claimant is not None:
            self._claimants.add(claimant)
        return claimant

    async def resolve(self, options: DownloadOptions) -> None:
        """Resolve the client of each host. Each host has a task run.

        A missing credential is only logged if all affected assets have an alternate href on another
        host.

        Args:
            options: The options of the run.

        Raises:
            MissingCredentialError: A required credential is not configured.
        """
        skipped = await self._skipped()
        for host, (href, storage) in self._hrefs.items():
            if host in skipped:
                get_run_logger().warning(
                    "Using alternate hrefs of the same assets, as a credential is missing. %s",
                    skipped[host],
                )
                continue
            try:
                await resolve_client(href, options, storage=storage)
            except SchemeError:
                continue  # The download of this asset raises the error.
        for client in self._clients.callers:
            if client.credentials is not None and client not in self._claimants:
                get_run_logger().warning("%s is not used by any asset", client.credentials)

    async def _skipped(self) -> dict[object, MissingCredentialError]:
        """Return the hosts that lack a credential but are not required, with the errors.

        A host is not required if each of its transfers has a usable href on another host.
        """
        several = {host for hosts in self._alternatives if len(hosts) > 1 for host in hosts}
        missing: dict[object, MissingCredentialError] = {}
        unusable = set()
        for host in several:
            href, storage = self._hrefs[host]
            try:
                client = await self._clients.get_client(href)
                await client.check(Request(parse_href(href), storage=storage))
            except MissingCredentialError as error:
                missing[host] = missing_credential(href, error)
                unusable.add(host)
            except StacAssetError:
                unusable.add(host)  # The task run of this host raises the error.
        needed = {
            host for hosts in self._alternatives if unusable.issuperset(hosts) for host in hosts
        }
        return {host: error for host, error in missing.items() if host not in needed}
