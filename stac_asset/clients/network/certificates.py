"""Internal: certificate authorities (CAs) that the environment declares.

The CAs of the system are always trusted. OpenSSL reads `SSL_CERT_FILE` and `SSL_CERT_DIR` itself in
place of the system's files. `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` and `AWS_CA_BUNDLE` add CAs:
https://requests.readthedocs.io/en/latest/user/advanced/#ca-certificates
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import certifi

from stac_asset.errors import ConfigError

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables with a file or a directory of CAs, in addition to the variables of OpenSSL."""


@dataclass(frozen=True, slots=True)
class CertificateSources:
    """Variables of the environment that declare CAs."""

    _declared: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, **more: str | None
    ) -> Self:
        """Read the variables of an environment.

        Args:
            environment: The environment variables; by default those of the process.
            more: Further variables and their values.
        """
        variables = os.environ if environment is None else environment
        names = ("SSL_CERT_FILE", "SSL_CERT_DIR", *_BUNDLES)
        found = {name: variables.get(name) for name in names} | more
        return cls(tuple((name, value) for name, value in found.items() if value))

    def __bool__(self) -> bool:
        return bool(self._declared)

    def context(self) -> ssl.SSLContext:
        """Return a context that trusts the CAs of the system, of certifi and of the variables.

        Equal sources share a context, because loading the CAs takes tens of milliseconds.

        Raises:
            ConfigError: A variable names a path without readable CAs.
        """
        return _context(self._declared, tuple(_version(path) for _, path in self._declared))

    def preload(self) -> None:
        """Load the certificates for later calls of `context`, which also raise the errors."""
        with suppress(ConfigError):
            self.context()


@lru_cache(maxsize=8)
def _context(
    declared: tuple[tuple[str, str], ...], versions: tuple[tuple[int, int], ...]
) -> ssl.SSLContext:
    context = ssl.create_default_context()
    # As in aiohttp's own context: without ALPN, some servers select HTTP/2.
    context.set_alpn_protocols(("http/1.1",))
    context.load_verify_locations(certifi.where())
    loaded: set[str] = set()  # The variables often name the same file.
    for variable, value in declared:
        # OpenSSL ignores missing and invalid files of its own variables, so they are loaded again.
        paths = value.split(os.pathsep) if variable == "SSL_CERT_DIR" else [value]
        present = [path for path in paths if os.path.exists(path)] or paths[:1]
        for path in present:
            if path not in loaded:
                _load(context, variable, path)
                loaded.add(path)
    return context


def _load(context: ssl.SSLContext, variable: str, path: str) -> None:
    try:
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError.
        reason = error.strerror if isinstance(error, OSError) else None
        if isinstance(error, ssl.SSLError) or not reason:
            reason = "the file contains no certificates"
        raise ConfigError(
            f"The certificates of `{variable}` cannot be loaded from '{path}': {reason}. Set the "
            "variable to a file of certificates in PEM format, or unset it."
        ) from None


def _version(path: str) -> tuple[int, int]:
    """Return the modification time in nanoseconds and the size of a file; zeros if missing."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return 0, 0
    return found.st_mtime_ns, found.st_size
