"""What a flow downloads: one object, or the items of a collection, from an href or JSON text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pystac

from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.parameters.credentials import missing_credential
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.parameters.source import is_text
from stac_asset.api.assets import download_file
from stac_asset.errors import (
    ConfigError,
    MissingCredentialError,
    SourceError,
    StacAssetError,
)
from stac_asset.hrefs import is_local, local_path, parse_href
from stac_asset.redact import redact_href
from stac_asset.stac.item_files import read_items
from stac_asset.stac.parse import Stac, item_of, stac_of
from stac_asset.stac.read import read_stac

TEXT = "source"
"""What JSON text is called in errors."""


def options_for(source: str, options: DownloadOptions | None) -> DownloadOptions:
    """Returns the options for a source: nobody knows where a text is from.

    Args:
        source: An href or JSON text.
        options: The options that were asked for, if any.
    """
    options = options or DownloadOptions()
    if is_text(source) and options.allow_local_hrefs is None:
        return options.model_copy(update={"allow_local_hrefs": False})
    return options


async def read_one(source: str, session: Session) -> Stac:
    """Returns the STAC object of a source.

    Args:
        source: An href or JSON text.
        session: The session of the run.

    Raises:
        SourceError: It cannot be read, or is no STAC.
        MissingCredentialError: A credential is missing.
    """
    if not is_text(source):
        try:
            return await read_stac(source, session.clients, session.config)
        except SourceError as error:
            if isinstance(error.__cause__, MissingCredentialError):
                raise missing_credential(source, error.__cause__) from None
            raise
    try:
        document = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{TEXT} is no JSON: {error}") from None
    return stac_of(document, None, TEXT)


@dataclass(frozen=True, slots=True)
class ItemSource:
    """The items of a collection, on the local disk: iterating reads them anew, one at a time."""

    path: Path
    """The file that holds them."""

    base: str | None
    """Where they came from, if anybody knows."""

    name: str
    """What to call it in errors."""

    def __iter__(self) -> Iterator[pystac.Item]:
        for number, document in enumerate(read_items(self.path, self.name), 1):
            try:
                item = item_of(document, self.base, number)
            except SourceError as error:
                reason = f"'{self.name}' is no item collection: {error}"
                raise SourceError(reason) from None
            yield item


async def open_items(source: str, session: Session, scratch: Path) -> ItemSource:
    """Returns the items of a source, brought to the local disk where they are elsewhere.

    Args:
        source: An href, whose suffix says of what format it is, or JSON text.
        session: The session of the run.
        scratch: An empty directory for it.

    Raises:
        SourceError: It cannot be read.
        MissingCredentialError: A credential is missing.
    """
    if is_text(source):
        path = scratch / "source.json"
        path.write_text(source)
        return ItemSource(path, None, TEXT)
    shown = redact_href(source)
    try:
        if is_local(source):
            path = local_path(source).absolute()
            return ItemSource(path, str(path), shown)
        path = scratch / f"source{PurePosixPath(parse_href(source).path).suffix}"
        once = session.config.copy()
        once.http_max_attempts = min(3, once.http_max_attempts)
        await download_file(source, path, once, list(session.clients.callers))
    except MissingCredentialError as error:
        raise missing_credential(source, error) from None
    except ConfigError:
        raise
    except StacAssetError as error:
        # Of the file here that its key names, nobody but us knows.
        raise SourceError(f"'{shown}' cannot be read: {error.message}") from error
    return ItemSource(path, source, shown)
