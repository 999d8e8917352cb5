"""Internal: the arguments of the functions that update and audit a mirror."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self, get_args

from stac_asset.config import Config, checked_config
from stac_asset.errors import ConfigError
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.stac.given import given_href


@dataclass(frozen=True, slots=True)
class MirrorArguments:
    """The checked arguments of a call."""

    source: str
    """The href of the source."""

    search: Criteria
    """The criteria that select the items."""

    config: Config
    """A copy of the configuration. Checksums are written, so that changed files are found."""

    @classmethod
    def checked(
        cls,
        source: str | os.PathLike[str],
        search: Criteria | None,
        config: Config | None,
        on_removed: OnRemoved,
        max_concurrent_downloads: int,
    ) -> Self:
        """Return the arguments of a call, before any request is sent.

        Args:
            source: The source.
            search: The criteria, if any.
            config: The configuration, if any.
            on_removed: Action for items that left the source.
            max_concurrent_downloads: Maximum number of assets downloaded at the same time.

        Raises:
            ConfigError: An argument is invalid, or has another type.
            SourceError: `source` is neither an href nor a path.
        """
        if not isinstance(search, Criteria | None):
            raise ConfigError(
                f"`search` must be a `Criteria`, not {type(search).__name__}. Use "
                "`Criteria(collections=['sentinel-2-l2a'])`."
            )
        if on_removed not in get_args(OnRemoved):
            raise ConfigError(
                f"`on_removed` must be {' or '.join(get_args(OnRemoved))}, not {on_removed!r}. "
                "Choose one."
            )
        if not isinstance(max_concurrent_downloads, int) or max_concurrent_downloads < 1:
            raise ConfigError(
                "`max_concurrent_downloads` must be an integer of at least 1, not "
                f"{max_concurrent_downloads!r}. Use for example 32."
            )
        config = checked_config(config)
        config.write_checksums = True
        return cls(given_href(source, "source"), search or Criteria(), config)
