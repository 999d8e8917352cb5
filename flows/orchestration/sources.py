"""Read the `source` of a flow: a STAC object or an item collection, from an href or JSON text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pystac

from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.parameters.credentials import missing_credential
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.parameters.source import is_text
from stac_asset.errors import (
    ConfigError,
    MissingCredentialError,
    SourceError,
    StacAssetError,
)
from stac_asset.hrefs import expand_home
from stac_asset.redact import redact_href
from stac_asset.stac.item_collections import InvalidItem
from stac_asset.stac.item_pages import ItemPage, ItemPages, follow_pages, open_item_pages
from stac_asset.stac.json_text import loads
from stac_asset.stac.parse import Stac, items_of, stac_of
from stac_asset.stac.read import read_stac
from stac_asset.stac.unreadable import unreadable_text

_TEXT_NAME = "source"
"""Name of JSON text in error messages."""


def options_for(source: str, options: DownloadOptions | None) -> DownloadOptions:
    """Return the options for a source.

    The origin of JSON text is unknown. So its items may not reference local files, unless
    `allow_local_hrefs` is set.

    Args:
        source: An href or JSON text.
        options: The options of the flow, if any.
    """
    options = options or DownloadOptions()
    if is_text(source) and options.allow_local_hrefs is None:
        return options.model_copy(update={"allow_local_hrefs": False})
    return options


async def read_one(source: str, session: Session) -> Stac:
    """Return the STAC object of a source.

    Args:
        source: An href or JSON text.
        session: The session of the run.

    Raises:
        SourceError: The source cannot be read, or is not a STAC object.
        MissingCredentialError: A required credential is not configured.
    """
    if not is_text(source):
        try:
            clients, config = session.clients, session.config
            href = expand_home(source.strip())
            return await read_stac(href, clients, config, follow_next=False)
        except SourceError as error:
            if isinstance(error.__cause__, MissingCredentialError):
                raise missing_credential(source, error.__cause__) from None
            raise
    try:
        document = loads(source, _TEXT_NAME)
    except ValueError as error:
        raise SourceError(f"`source` is not valid JSON: {error}") from None
    return stac_of(document, None, _TEXT_NAME)


@dataclass(frozen=True, slots=True)
class LocalItems:
    """Items of an item collection in local files.

    Each iteration reads the files again, one item at a time.
    """

    pages: ItemPages
    """The local files: one file, or the pages of an API."""

    @property
    def path(self) -> Path:
        """The local file, or the first page."""
        return self.pages.pages[0].path

    @property
    def base(self) -> str | None:
        """The href of the source, to resolve relative hrefs. JSON text has no href."""
        return self.pages.pages[0].base

    @property
    def name(self) -> str:
        """Name of the source in error messages."""
        return self.pages.name

    def __iter__(self) -> Iterator[pystac.Item | InvalidItem]:
        return items_of(self.pages.documents(), self.name)


async def open_items(source: str, session: Session, scratch: Path) -> LocalItems:
    """Return the items of a source, with all pages. Remote files are downloaded first.

    Args:
        source: An href or JSON text. The suffix of the href determines the format.
        session: The session of the run.
        scratch: An empty directory for the downloaded files.

    Raises:
        SourceError: The source cannot be read, or not to the end.
        MissingCredentialError: A required credential is not configured.
    """
    clients, config = session.clients, session.config
    href = source if is_text(source) else expand_home(source.strip())
    name = _TEXT_NAME if is_text(source) else redact_href(href)
    try:
        if is_text(source):
            path = scratch / "source.json"
            path.write_text(source, encoding="utf-8", errors="surrogatepass")
            first = ItemPage(path, None)
            pages = await follow_pages(first, name, clients, config, scratch)
        else:
            pages = await open_item_pages(href, clients, config, scratch)
    except MissingCredentialError as error:
        raise missing_credential(source, error) from None
    except ConfigError:
        raise
    except StacAssetError as error:
        # `error.message` leaves out the key, which is the name of the temporary file.
        raise SourceError(unreadable_text(name, error)) from error
    if pages.error is not None:
        raise pages.error
    return LocalItems(pages)
