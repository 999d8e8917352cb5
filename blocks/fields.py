"""Field types and validation shared by several credential blocks."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from prefect_stac_asset.blocks.form_rules import HOST_RULE, URL_RULE
from stac_asset.clients.s3.objects import endpoint_of
from stac_asset.host_patterns import HostPatterns


def _valid_hosts(hosts: list[str]) -> list[str]:
    HostPatterns(hosts)
    return hosts


HostList = Annotated[list[Annotated[str, HOST_RULE]], AfterValidator(_valid_hosts)]
"""Hosts that may receive a secret: `example.com`, or `*.example.com` for all subdomains."""


def _valid_url(url: str) -> str:
    if url.strip() and endpoint_of(url) is None:
        raise ValueError(
            "The value must be an http(s) URL without a user name or password. Write the whole "
            "URL, such as https://example.com or http://127.0.0.1:8010."
        )
    return url


HttpUrl = Annotated[str, AfterValidator(_valid_url), URL_RULE]
"""An http(s) URL without a user name or password, or an empty string."""


def revealed(secret: SecretStr | None) -> str | None:
    """Return the value of a secret without surrounding white space.

    Args:
        secret: The field of a block.

    Returns:
        The value, or None if the secret is missing or empty.
    """
    return (secret.get_secret_value().strip() or None) if secret is not None else None


def check_login(
    token: SecretStr | None, username: SecretStr | None, password: SecretStr | None
) -> None:
    """Check that a login is either a token or a user name with a password.

    Args:
        token: The token, if set.
        username: The user name, if set.
        password: The password, if set.

    Raises:
        ValueError: Both a token and a user name are set, or only one of user name and password.
    """
    if revealed(token) and revealed(username):
        raise ValueError("`token` and `username` are both set. Set only one of them.")
    if bool(revealed(username)) != bool(revealed(password)):
        raise ValueError("Only one of `username` and `password` is set. Set both or neither.")
