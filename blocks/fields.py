"""What fields of several blocks have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from stac_asset.host_patterns import HostPatterns


def _checked(hosts: list[str]) -> list[str]:
    HostPatterns(hosts)
    return hosts


HostList = Annotated[list[str], AfterValidator(_checked)]
"""Hosts that a secret is for: `example.com`, or `*.example.com` for all below it."""


def revealed(secret: SecretStr | None) -> str | None:
    """Returns a secret without the white space that may have come with it, or None for no secret.

    Args:
        secret: The field of a block.
    """
    return (secret.get_secret_value().strip() or None) if secret is not None else None


def check_login(
    token: SecretStr | None, username: SecretStr | None, password: SecretStr | None
) -> None:
    """Makes sure that there is a token or a user, and not half of one.

    Args:
        token: The token, if there is one.
        username: The user's name, if there is one.
        password: The user's password, if there is one.

    Raises:
        ValueError: There are both, or half of a user.
    """
    if revealed(token) and revealed(username):
        raise ValueError("a token and a user contradict each other: give one of them")
    if bool(revealed(username)) != bool(revealed(password)):
        raise ValueError("a user has a name and a password: give both, or neither")
