"""Internal: host patterns, which select the hosts that may receive a secret.

Patterns match whole origins (scheme, host and port), never substrings. `Config`, the clients over
HTTP and the credential blocks use the patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from yarl import URL

from stac_asset.errors import ConfigError
from stac_asset.string_lists import string_list

_PATTERN = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<subdomains>\*\.)?"
    r"(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?",
    re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HostPattern:
    """A host, or all subdomains of a host, with a scheme and a port."""

    scheme: str
    """https or http."""

    host: str
    """The host name or address, in lower case."""

    subdomains: bool
    """Match all subdomains at any depth, and not the host itself."""

    port: int
    """The port number."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the pattern for a text.

        Args:
            text: `example.com`, or `*.example.com` for all subdomains. A port follows if it is not
                the default. The scheme is https, unless the text starts with `http://`.

        Raises:
            ConfigError: The text is not a pattern.
        """
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ConfigError(
                f"'{text}' is not a host pattern. Use example.com, *.example.com or "
                "http://example.com:8080."
            )
        scheme = (match["scheme"] or "https").lower()
        host = match["host"].lower().strip("[]")
        return cls(scheme, host, bool(match["subdomains"]), int(match["port"] or _PORTS[scheme]))

    def match(self, url: URL) -> str | None:
        """Return the text that `*` matches in a URL, or None for a mismatch.

        For a match without `*`, the text is empty.

        Args:
            url: An absolute URL.
        """
        if (url.scheme, url.port) != (self.scheme, self.port):
            return None
        host = (url.raw_host or "").lower().rstrip(".")
        if not self.subdomains:
            return "" if host == self.host else None
        label = host.removesuffix(f".{self.host}")
        return label if label and label != host else None


class HostPatterns:
    """A set of host patterns: `url in patterns`.

    Args:
        patterns: Texts in the format of `HostPattern.parse`.

    Raises:
        ConfigError: A text is not a pattern, or a single text is given.
    """

    __slots__ = ("patterns",)

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(map(HostPattern.parse, string_list("hosts", patterns)))

    def names_host_of(self, url: URL) -> bool:
        """Return whether a pattern has the host of a URL, with any scheme and port.

        Args:
            url: An absolute URL.
        """
        return any(
            pattern.match(url.with_scheme(pattern.scheme).with_port(pattern.port)) is not None
            for pattern in self.patterns
        )

    def __contains__(self, url: URL) -> bool:
        return any(pattern.match(url) is not None for pattern in self.patterns)
