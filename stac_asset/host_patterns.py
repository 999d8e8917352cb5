"""Which hosts a secret is for: anchored patterns of origins, never substrings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from yarl import URL

from stac_asset.errors import ConfigError

_PATTERN = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<below>\*\.)?"
    r"(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?",
    re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HostPattern:
    """A host, or all hosts below one, with one scheme and one port."""

    scheme: str
    """https or http."""

    host: str
    """The host's name or address, in lower case."""

    below: bool
    """Whether the hosts below it are meant, at any depth, and not the host itself."""

    port: int
    """The port."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the pattern that a text stands for.

        Args:
            text: `example.com`, or `*.example.com` for all hosts below it; with a port where it is
                not the scheme's own; https, unless `http://` stands before it.

        Raises:
            ConfigError: The text is no such pattern.
        """
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ConfigError(
                f"'{text}' names no host: use example.com, *.example.com or http://example.com:8080"
            )
        scheme = (match["scheme"] or "https").lower()
        host = match["host"].lower().strip("[]")
        return cls(scheme, host, bool(match["below"]), int(match["port"] or _PORTS[scheme]))

    def match(self, url: URL) -> str | None:
        """Returns what the pattern's `*` stands for in a url, or None if the url does not match.

        Args:
            url: An absolute url; without a `*` it matches with an empty text.
        """
        if (url.scheme, url.port) != (self.scheme, self.port):
            return None
        host = (url.raw_host or "").lower().rstrip(".")
        if not self.below:
            return "" if host == self.host else None
        label = host.removesuffix(f".{self.host}")
        return label if label and label != host else None


class HostPatterns:
    """The hosts that something is for: `url in hosts`.

    Args:
        patterns: What `HostPattern.parse` takes.

    Raises:
        ConfigError: One of them is no pattern.
    """

    __slots__ = ("patterns",)

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(HostPattern.parse(pattern) for pattern in patterns)

    def __contains__(self, url: URL) -> bool:
        return any(pattern.match(url) is not None for pattern in self.patterns)
