"""Read the `source` of a flow: a STAC object or an item collection, from an href or JSON text."""

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
from stac_asset.hrefs import expand_home, is_local, local_path, parse_href
from stac_asset.redact import redact_href
from stac_asset.stac.item_collections import InvalidItem
from stac_asset.stac.item_files import read_items
from stac_asset.stac.parse import Stac, items_of, stac_of
from stac_asset.stac.read import read_stac

_TEXT_NAME = "source"
"""Name of JSON text in error messages."""

_MAX_ATTEMPTS = 3
"""Maximum number of attempts to download a source, which is required to start a run."""


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
            return await read_stac(expand_home(source), session.clients, session.config)
        except SourceError as error:
            if isinstance(error.__cause__, MissingCredentialError):
                raise missing_credential(source, error.__cause__) from None
            raise
    try:
        document = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"`source` is not valid JSON: {error}") from None
    return stac_of(document, None, _TEXT_NAME)


@dataclass(frozen=True, slots=True)
class ItemSource:
    """Items of an item collection in a local file.

    Each iteration reads the file again, one item at a time.
    """

    path: Path
    """The local file."""

    base: str | None
    """The href of the source, to resolve relative hrefs. JSON text has no href."""

    name: str
    """Name of the source in error messages."""

    def __iter__(self) -> Iterator[pystac.Item | InvalidItem]:
        return items_of(read_items(self.path, self.name), self.base, self.name)


async def open_items(source: str, session: Session, scratch: Path) -> ItemSource:
    """Return the items of a source. A remote file is downloaded first.

    Args:
        source: An href or JSON text. The suffix of the href determines the format.
        session: The session of the run.
        scratch: An empty directory for the downloaded file.

    Raises:
        SourceError: The source cannot be read.
        MissingCredentialError: A required credential is not configured.
    """
    if is_text(source):
        path = scratch / "source.json"
        path.write_text(source)
        return ItemSource(path, None, _TEXT_NAME)
    source = expand_home(source)
    name = redact_href(source)
    try:
        if is_local(source):
            path = local_path(source).absolute()
            return ItemSource(path, str(path), name)
        path = scratch / f"source{PurePosixPath(parse_href(source).path).suffix}"
        config = session.config.copy()
        config.http_max_attempts = min(_MAX_ATTEMPTS, config.http_max_attempts)
        await download_file(source, path, config, list(session.clients.callers))
    except MissingCredentialError as error:
        raise missing_credential(source, error) from None
    except ConfigError:
        raise
    except StacAssetError as error:
        # `error.message` leaves out the key, which is the name of the temporary file.
        raise SourceError(f"'{name}' cannot be read: {error.message}") from error
    return ItemSource(path, source, name)
