"""Internal: the proxy of a URL, according to the environment.

`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are read in upper and lower case. As in curl
and Python's `urllib`, lower case has precedence. The rules of `NO_PROXY` are those of curl, with
address ranges: https://everything.curl.dev/usingcurl/proxies/env.html
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

from yarl import URL

from stac_asset.errors import ConfigError

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network

_ENTRY = re.compile(r"(?:https?://)?(\[[^\]]*\]|[^:/]*)(?::(\d+))?/?")
"""An entry of `NO_PROXY`: a host in brackets or without a colon, and optionally a port."""

_HOST = re.compile(r"[A-Za-z0-9._:%-]+")
"""A host name, or an address without brackets."""

_REFUSED = frozenset({401, 403, 405, 407})
"""Statuses with which a proxy refuses a host or a user."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy."""

    url: URL
    """The URL of the proxy, without user and password."""

    variable: str
    """The environment variable that declares the proxy."""

    authorization: str | None = field(default=None, repr=False)
    """Value of the `Proxy-Authorization` header, if the variable contains a user."""

    @property
    def shown(self) -> str:
        """Host and variable of the proxy, for messages."""
        return f"proxy {self.url.host_port_subcomponent} of `{self.variable}`"


def proxy_refusal(proxy: Proxy, status: int) -> Exception:
    """Return the error for a CONNECT request to which a proxy sent an error status.

    The error is a `ConfigError` if the proxy refuses the host or the user. Other statuses mean that
    the proxy did not reach the server.

    Args:
        proxy: The proxy.
        status: The HTTP status.
    """
    if status not in _REFUSED:
        return ConnectionError(f"{proxy.shown} responded with status {status}")
    advice = (
        f"Set user and password in the URL of `{proxy.variable}`."
        if status == 407
        else "Exclude the host with `NO_PROXY`, or ask the administrator of the proxy."
    )
    return ConfigError(f"The {proxy.shown} refused the connection (status {status}). {advice}")


@dataclass(frozen=True)
class Proxies:
    """The proxies of an environment, read when the object is created."""

    _declared: Mapping[str, tuple[str, str]] = field(repr=False)
    """Variable and value by the scheme of the requested URLs."""

    _exceptions: tuple[_Exception, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the variables of an environment.

        Args:
            environment: The environment variables; by default those of the process.
        """
        variables = os.environ if environment is None else environment
        declared = {}
        for scheme in ("http", "https"):
            found = _variable(variables, f"{scheme}_proxy") or _variable(variables, "all_proxy")
            if found is not None:
                declared[scheme] = found
        _, excepted = _variable(variables, "no_proxy") or ("", "")
        entries = excepted.replace(",", " ").split()
        return cls(declared, tuple(_Exception.parse(entry) for entry in entries))

    def __bool__(self) -> bool:
        return bool(self._declared)

    def proxy_of(self, url: URL) -> Proxy | None:
        """Return the proxy for requests to a URL, if any.

        Args:
            url: The URL.

        Raises:
            ConfigError: The variable does not contain the URL of an HTTP proxy.
        """
        if url.scheme not in self._declared or self._is_excepted(url):
            return None
        return _parse(*self._declared[url.scheme])

    def _is_excepted(self, url: URL) -> bool:
        host = (url.raw_host or "").rstrip(".").lower()
        address = _address(host)
        return any(entry.covers(host, address, url.port) for entry in self._exceptions)


@dataclass(frozen=True, slots=True)
class _Exception:
    """An entry of `NO_PROXY`."""

    host: str
    port: int | None = None
    network: _Network | None = None

    @classmethod
    def parse(cls, entry: str) -> Self:
        network = _network(entry)
        if network is not None:
            return cls(entry, None, network)
        found = _ENTRY.fullmatch(entry)
        host, port = found.groups() if found else (entry, None)
        host = host.strip("[]").rstrip(".").lower()
        if not host.isascii():
            with suppress(UnicodeError):  # Otherwise the entry matches no host.
                host = host.encode("idna").decode()
        return cls(host, int(port) if port else None, _network(host))

    def covers(self, host: str, address: _Address | None, port: int | None) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address is not None and address in self.network
        if self.host == "*":
            return True
        domain = self.host.removeprefix("*").removeprefix(".")
        if not domain:
            return False
        if "*" in domain:
            return fnmatchcase(host, self.host)
        return host == domain or host.endswith(f".{domain}")


def _variable(variables: Mapping[str, str], name: str) -> tuple[str, str] | None:
    """Return the name and value of a variable in lower or upper case, unless empty."""
    for spelled in (name, name.upper()):
        # A CGI server sets HTTP_PROXY to the request header `Proxy`: https://httpoxy.org
        if spelled in variables and not (spelled == "HTTP_PROXY" and "REQUEST_METHOD" in variables):
            value = variables[spelled].strip()
            return (spelled, value) if value else None
    return None


@lru_cache(maxsize=8)
def _parse(variable: str, value: str) -> Proxy:
    text = value if "://" in value else f"http://{value}"
    if text.lower().startswith("socks"):
        raise ConfigError(
            f"`{variable}` declares a SOCKS proxy, which is not supported. Set `HTTPS_PROXY` and "
            "`HTTP_PROXY` to an HTTP proxy, or exclude the host with `NO_PROXY`."
        )
    try:
        url = URL(text)
        usable = url.scheme in ("http", "https") and bool(url.port)
        usable = usable and _HOST.fullmatch(url.raw_host or "") is not None
        usable = usable and url.raw_path in ("", "/") and url.raw_query_string == ""
        usable = usable and url.raw_fragment == ""
        if usable:
            return Proxy(url.origin(), variable, _authorization(url))
    except ValueError:
        pass
    # The value is not shown, because it may contain a password.
    raise ConfigError(
        f"`{variable}` is not the URL of a proxy. Set the variable to http://HOST:PORT or "
        "http://USER:PASSWORD@HOST:PORT, with special characters percent-encoded."
    )


def _authorization(url: URL) -> str | None:
    if url.user is None:
        return None
    login = f"{url.user}:{url.password or ''}"
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def _address(host: str) -> _Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _network(text: str) -> _Network | None:
    try:
        return ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None
