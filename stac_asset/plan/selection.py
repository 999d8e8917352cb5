"""Internal: the assets that `include` and `exclude` select, and unknown keys in both lists."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from stac_asset.config import Config, selects
from stac_asset.errors import NoAssetsError
from stac_asset.notices import notice
from stac_asset.redact import quoted_list

_MAX_KEYS = 1000
"""Maximum number of existing keys to remember."""

_MAX_SHOWN = 20
"""Maximum number of existing keys in a message."""

_MAX_LENGTH = 60
"""Maximum length of a key in a message, in characters."""


class Selection:
    """The assets that `include` and `exclude` select in a run.

    Args:
        config: The configuration.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._name = "include" if config.include else "exclude"
        self._listed = dict.fromkeys(config.include or config.exclude)
        self._unknown = set(self._listed)
        """Keys of `include` or `exclude` that no asset of the run has so far."""
        self._existing: dict[str, None] = {}
        """Keys of assets of the run."""

    def wants(self, key: str) -> bool:
        """Return whether an asset is selected.

        Args:
            key: The key of the asset.
        """
        return selects(self._config, key)

    def add(self, keys: Iterable[str]) -> None:
        """Record the keys of the assets of an item or collection.

        Args:
            keys: The keys.
        """
        if not self._listed:
            return
        keys = list(keys)
        self._unknown.difference_update(keys)
        if len(self._existing) < _MAX_KEYS:
            self._existing.update(dict.fromkeys(keys))

    def report(self) -> NoAssetsError | None:
        """Record a notice for each key of `include` and `exclude` that no asset of the run has.

        Returns:
            An error if `include` is set, and no asset of the run has any of its keys.
        """
        unknown = [key for key in self._listed if key in self._unknown]
        if not unknown or not self._existing:
            return None
        if self._name == "include" and len(unknown) == len(self._listed):
            shown = _quoted(unknown)
            return NoAssetsError(
                f"`include` selects no asset: no asset has the key {shown}{self._hint(unknown)}. "
                "Correct `include`."
            )
        for key in unknown:
            notice(f"No asset has the key {_quoted([key])} of `{self._name}`{self._hint([key])}")
        return None

    def _hint(self, unknown: Iterable[str]) -> str:
        """Return the nearest existing keys, and all existing keys."""
        by_folded = {key.casefold(): key for key in self._existing}
        nearest: dict[str, None] = {}
        for key in unknown:
            for found in difflib.get_close_matches(key.casefold(), by_folded, n=1):
                nearest[by_folded[found]] = None
        meant = f" (did you mean {_quoted(nearest)}?)" if nearest else ""
        return f"{meant}; existing keys are {_quoted(self._existing)}"


def _quoted(keys: Iterable[str]) -> str:
    return quoted_list(keys, _MAX_SHOWN, _MAX_LENGTH)
