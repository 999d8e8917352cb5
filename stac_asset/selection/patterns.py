"""Internal: patterns of assets: keys, globs, `role:data` and `type:image/tiff*`.

A pattern that is the key of an asset selects this asset, whatever characters the key has. Further
assets are selected as follows:

- `role:` is followed by a role, and `type:` by a media type. Both can be globs. A media type
  without parameters matches any parameters, and case and spaces do not count.
- Other patterns with `*`, `?` or `[` are globs of keys.

Globs are those of `fnmatch`: https://docs.python.org/3/library/fnmatch.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from typing import Any

from stac_asset.errors import ConfigError

_GLOB_CHARACTERS = frozenset("*?[")


class PatternKind(StrEnum):
    """Fields of assets that patterns select by."""

    KEY = "key"
    ROLE = "role"
    TYPE = "type"


PREFIXES = (PatternKind.ROLE, PatternKind.TYPE)
"""Kinds with a prefix, such as `role:`."""


@dataclass(frozen=True, slots=True)
class AssetPattern:
    """A pattern of assets."""

    text: str
    """The pattern, as in `include` and `exclude`."""

    kind: PatternKind
    """The field to compare."""

    value: str
    """The pattern without the prefix."""

    _glob: re.Pattern[str] | None = field(repr=False, compare=False)
    """The expression of a role, a media type or a glob of keys."""

    @classmethod
    def parse(cls, text: str, option: str = "include") -> AssetPattern:
        """Return the pattern of a text.

        Args:
            text: An element of `include` or `exclude`.
            option: The name of the option, for the error.

        Raises:
            ConfigError: The text, or the text after a prefix, is empty.
        """
        prefix, colon, rest = text.partition(":")
        kind, value = PatternKind.KEY, text
        if colon and prefix in PREFIXES:
            kind, value = PatternKind(prefix), rest
        if not (value if kind is PatternKind.KEY else value.strip()):
            raise ConfigError(
                f"`{option}` has the empty pattern '{text}'. Use a key, a glob such as 'B0*', "
                "'role:data' or 'type:image/tiff*'."
            )
        if kind is PatternKind.TYPE:
            return cls(text, kind, value, re.compile(translate(_plain_type(value))))
        is_glob = not _GLOB_CHARACTERS.isdisjoint(value)
        if kind is PatternKind.KEY and not is_glob:
            return cls(text, kind, value, None)
        return cls(text, kind, value, re.compile(translate(value)))

    @property
    def is_glob(self) -> bool:
        """Whether the pattern has wildcards."""
        return not _GLOB_CHARACTERS.isdisjoint(self.value)

    def matches_key(self, key: str) -> bool:
        """Return whether the key of an asset matches.

        Args:
            key: The key of the asset.
        """
        if key == self.text:
            return True
        glob = self._glob
        return self.kind is PatternKind.KEY and glob is not None and glob.match(key) is not None

    def matches(self, key: str, asset: object) -> bool:
        """Return whether an asset matches.

        Args:
            key: The key of the asset.
            asset: The asset, as an object of pystac or as JSON of any shape.
        """
        if self.matches_key(key):
            return True
        glob = self._glob
        if self.kind is PatternKind.ROLE and glob is not None:
            return any(glob.match(role) for role in roles_of_asset(asset))
        if self.kind is PatternKind.TYPE and glob is not None:
            plain = _plain_type(type_of_asset(asset))
            return any(glob.match(form) for form in (plain, plain.partition(";")[0]) if form)
        return False


class AssetSelection:
    """The decision which assets `include` and `exclude` select.

    Args:
        include: Patterns of the only assets to select. Empty means all assets.
        exclude: Patterns of assets to leave out.

    Raises:
        ConfigError: A pattern is empty.
    """

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        included = tuple(AssetPattern.parse(text) for text in dict.fromkeys(include))
        self.is_include = bool(included)
        """Whether the patterns are those of the assets to select."""
        self.patterns = included or tuple(
            AssetPattern.parse(text, "exclude") for text in dict.fromkeys(exclude)
        )
        """The patterns that decide."""
        self._texts = frozenset(pattern.text for pattern in self.patterns)
        self._globs = tuple(
            pattern
            for pattern in self.patterns
            if pattern.kind is PatternKind.KEY and pattern.is_glob
        )
        self._others = tuple(
            pattern for pattern in self.patterns if pattern.kind is not PatternKind.KEY
        )

    @property
    def needs_only_keys(self) -> bool:
        """Whether the key of an asset decides, without roles and media types."""
        return not self._others

    def selects(self, key: str, asset: object) -> bool:
        """Return whether an asset is selected.

        Args:
            key: The key of the asset.
            asset: The asset, as an object of pystac or as JSON of any shape.
        """
        if not self.patterns:
            return True
        if self._matches_key(key):
            return self.is_include
        if not self._others:
            return not self.is_include
        return any(one.matches(key, asset) for one in self._others) is self.is_include

    def may_select(self, key: str) -> bool:
        """Return whether the selection allows an asset with a key and unknown fields.

        Args:
            key: The key of the asset.
        """
        if self._matches_key(key):
            return self.is_include
        return bool(self._others) or not self.is_include

    def _matches_key(self, key: str) -> bool:
        return key in self._texts or any(pattern.matches_key(key) for pattern in self._globs)


@lru_cache(maxsize=64)
def asset_selection(include: tuple[str, ...], exclude: tuple[str, ...]) -> AssetSelection:
    """Return the selection of patterns. The last selections are kept in memory.

    Args:
        include: Patterns of the only assets to select. Empty means all assets.
        exclude: Patterns of assets to leave out.

    Raises:
        ConfigError: A pattern is empty.
    """
    return AssetSelection(include, exclude)


def roles_of_asset(asset: object) -> list[str]:
    """Return the valid roles of an asset.

    Args:
        asset: The asset, as an object of pystac or as JSON of any shape.
    """
    roles = _field(asset, "roles", "roles")
    return [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else []


def type_of_asset(asset: object) -> str:
    """Return the media type of an asset, or an empty text.

    Args:
        asset: The asset, as an object of pystac or as JSON of any shape.
    """
    media_type = _field(asset, "type", "media_type")
    return media_type if isinstance(media_type, str) else ""


def _field(asset: object, name: str, attribute: str) -> Any:
    # A check for `pystac.Asset` would need an import of pystac, which is slow.
    return asset.get(name) if isinstance(asset, Mapping) else getattr(asset, attribute, None)


def _plain_type(media_type: str) -> str:
    """Return a media type without spaces, in lower case."""
    return "".join(media_type.split()).lower()
