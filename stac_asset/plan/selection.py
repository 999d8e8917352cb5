"""Internal: the selected assets of a run, and patterns that no asset matches."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from stac_asset.config import Config, selection_of
from stac_asset.errors import NoAssetsError
from stac_asset.notices import notice
from stac_asset.redact import quoted_list
from stac_asset.selection.patterns import (
    PREFIXES,
    AssetPattern,
    PatternKind,
    roles_of_asset,
    type_of_asset,
)

_MAX_KEYS = 1000
"""Maximum number of existing keys, roles or media types to remember."""

_MAX_SHOWN = 20
"""Maximum number of existing keys, roles or media types in a message."""

_MAX_LENGTH = 60
"""Maximum length of a pattern, key, role or media type in a message, in characters."""

_NAMES = {PatternKind.KEY: "key", PatternKind.ROLE: "role", PatternKind.TYPE: "media type"}


class Selection:
    """The assets that `include` and `exclude` select in a run.

    Args:
        config: The configuration.

    Raises:
        ConfigError: A pattern is empty.
    """

    def __init__(self, config: Config) -> None:
        self.assets = selection_of(config)
        """The decision which assets are selected."""
        self.selects = self.assets.selects
        self._name = "include" if self.assets.is_include else "exclude"
        self._keys = {one.text for one in self.assets.patterns if _is_plain_key(one)}
        """Keys of `include` or `exclude` that no asset of the run has so far."""
        self._others = {one for one in self.assets.patterns if not _is_plain_key(one)}
        """Other patterns that no asset of the run matches so far."""
        self._existing: dict[PatternKind, dict[str, None]] = {
            kind: {} for kind in {one.kind for one in self.assets.patterns}
        }
        """Keys, roles and media types of assets of the run."""
        self._has_assets = False
        self._added: set[tuple[str, ...]] = set()
        """Combinations of keys that are recorded."""

    def add(self, assets: Mapping[str, object]) -> None:
        """Record the assets of an item or collection.

        Args:
            assets: The assets by key, as objects of pystac or as JSON of any shape.
        """
        if not self.assets.patterns:
            return
        self._add_keys(assets)
        if not self._others:
            return
        self._others -= {
            pattern
            for pattern in self._others
            if any(pattern.matches(key, asset) for key, asset in assets.items())
        }
        for kind, values in self._existing.items():
            if kind is not PatternKind.KEY and len(values) < _MAX_KEYS:
                for asset in assets.values():
                    values.update(dict.fromkeys(_values(asset, kind)))

    def add_mirrored(self, keys: Iterable[str]) -> None:
        """Record keys of assets that an earlier run of a mirror selected.

        Their roles and media types are not known, so the patterns of these count as matched.

        Args:
            keys: The keys.
        """
        if not self.assets.patterns:
            return
        keys = list(keys)
        self._add_keys(keys)
        if keys:
            self._others = {
                pattern
                for pattern in self._others
                if pattern.kind is PatternKind.KEY and not any(map(pattern.matches_key, keys))
            }

    def report(self) -> NoAssetsError | None:
        """Record a notice for each pattern of `include` and `exclude` that no asset of the run has.

        Returns:
            An error if `include` is set, and no asset of the run matches any of its patterns.
        """
        unknown = [
            pattern
            for pattern in self.assets.patterns
            if (pattern.text in self._keys if _is_plain_key(pattern) else pattern in self._others)
        ]
        if not unknown or not self._has_assets:
            return None
        if self.assets.is_include and len(unknown) == len(self.assets.patterns):
            reasons = [
                f"no asset has {_described(found)}{self._hint(found)}"
                for found in _by_form(unknown)
            ]
            return NoAssetsError(
                f"`include` selects no asset: {', and '.join(reasons)}. "
                + (self._separate_entries(unknown) or "Correct `include`.")
            )
        for pattern in unknown:
            advice = self._separate_entries([pattern])
            notice(
                f"No asset has {_described([pattern])} of `{self._name}`{self._hint([pattern])}"
                + (f". {advice}" if advice else "")
            )
        return None

    def _separate_entries(self, unknown: Sequence[AssetPattern]) -> str | None:
        """Return the advice to separate entries such as 'red,nir', if any."""
        if not any("," in pattern.text for pattern in unknown):
            return None
        entries = [
            text.strip()
            for pattern in self.assets.patterns
            for text in (pattern.text.split(",") if pattern in unknown else [pattern.text])
        ]
        return f"Write `{self._name}={[text for text in entries if text]}`."

    def _add_keys(self, keys: Iterable[str]) -> None:
        keys = tuple(keys)
        if keys in self._added:  # Most items of a source have the same keys.
            return
        if len(self._added) < _MAX_KEYS:
            self._added.add(keys)
        self._has_assets = self._has_assets or bool(keys)
        self._keys.difference_update(keys)
        existing = self._existing.get(PatternKind.KEY)
        if existing is not None and len(existing) < _MAX_KEYS:
            existing.update(dict.fromkeys(keys))

    def _hint(self, unknown: Sequence[AssetPattern]) -> str:
        """Return the nearest existing values, and all existing values, of patterns of a kind."""
        kind = unknown[0].kind
        existing = self._existing[kind]
        by_folded = {value.casefold(): value for value in existing}
        prefix = "" if kind is PatternKind.KEY else f"{kind}:"
        nearest: dict[str, None] = {}
        for pattern in unknown:
            nearest |= dict.fromkeys(_with_known_prefix(pattern))
            for found in difflib.get_close_matches(pattern.value.casefold(), by_folded, n=1):
                nearest[prefix + by_folded[found]] = None
        meant = f" (did you mean {_quoted(nearest)}?)" if nearest else ""
        if not existing:
            return f"{meant}; no asset has a {_NAMES[kind]}"
        return f"{meant}; existing {_NAMES[kind]}s are {_quoted(existing)}"


def _is_plain_key(pattern: AssetPattern) -> bool:
    return pattern.kind is PatternKind.KEY and not pattern.is_glob


def _values(asset: object, kind: PatternKind) -> list[str]:
    """Return the roles or the media type of an asset."""
    if kind is PatternKind.ROLE:
        return roles_of_asset(asset)
    media_type = type_of_asset(asset)
    return [media_type] if media_type else []


def _by_form(patterns: Iterable[AssetPattern]) -> list[list[AssetPattern]]:
    """Return groups of patterns of the same kind and form."""
    groups: dict[tuple[PatternKind, bool], list[AssetPattern]] = {}
    for pattern in patterns:
        groups.setdefault((pattern.kind, pattern.is_glob), []).append(pattern)
    return list(groups.values())


def _described(patterns: Sequence[AssetPattern]) -> str:
    """Return patterns of a form as a phrase, such as `the role 'data'`."""
    name = _NAMES[patterns[0].kind]
    article = f"a {name} like" if patterns[0].is_glob else f"the {name}"
    return f"{article} {_quoted(pattern.value for pattern in patterns)}"


def _with_known_prefix(pattern: AssetPattern) -> list[str]:
    """Return the pattern with the nearest known prefix, such as `role:` for `roles:`."""
    prefix, colon, rest = pattern.text.partition(":")
    if not colon or pattern.kind is not PatternKind.KEY:
        return []
    found = difflib.get_close_matches(prefix.casefold(), PREFIXES, n=1)
    return [f"{known}:{rest}" for known in found]


def _quoted(texts: Iterable[str]) -> str:
    return quoted_list(texts, _MAX_SHOWN, _MAX_LENGTH)
