"""JSON schemas of block types, which forms use, refuse the values that the validators refuse."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.utilities.schema_tools import validate
from pydantic import ValidationError

from prefect_stac_asset.blocks import (
    EarthdataCredentials,
    HttpCredentials,
    OAuth2Credentials,
    PlanetaryComputerCredentials,
    S3Credentials,
)

HOSTS = ["example.com"]
OAUTH2 = {"grant": "client_credentials", "client_id": "us", "hosts": HOSTS}

VALID: list[tuple[type[Block], dict[str, Any]]] = [
    (HttpCredentials, {"hosts": ["*.example.com", "http://127.0.0.1:80", "[::1]"], "token": "t"}),
    (HttpCredentials, {"hosts": HOSTS, "username": "u", "password": "p", "token": None}),
    (HttpCredentials, {"hosts": HOSTS, "headers": {"X-Key": "k"}, "token": ""}),
    (EarthdataCredentials, {}),
    (EarthdataCredentials, {"token": "t", "login_url": "https://example.com/"}),
    (PlanetaryComputerCredentials, {"token_endpoint": "http://127.0.0.1:9/token"}),
    (S3Credentials, {"endpoint_url": "", "role_arn": "arn", "external_id": "e"}),
    (S3Credentials, {"access_key_id": "a", "secret_access_key": "b", "session_token": "c"}),
    (OAuth2Credentials, OAUTH2 | {"client_secret": "s", "token_url": "https://example.com/t"}),
]

INVALID: list[tuple[type[Block], dict[str, Any]]] = [
    (HttpCredentials, {"hosts": ["127.0.0.1:7811/files"], "token": "t"}),
    (HttpCredentials, {"hosts": ["https://user@example.com"], "token": "t"}),
    (HttpCredentials, {"hosts": [], "token": "t"}),
    (HttpCredentials, {"hosts": HOSTS}),
    (HttpCredentials, {"hosts": HOSTS, "token": " "}),
    (HttpCredentials, {"hosts": HOSTS, "token": "t", "username": "u", "password": "p"}),
    (HttpCredentials, {"hosts": HOSTS, "username": "u"}),
    (EarthdataCredentials, {"password": "p"}),
    (EarthdataCredentials, {"login_url": "urs.earthdata.nasa.gov"}),
    (PlanetaryComputerCredentials, {"token_endpoint": "ftp://example.com"}),
    (PlanetaryComputerCredentials, {"blob_hosts": ["https://example.com/container"]}),
    (S3Credentials, {"access_key_id": "a"}),
    (S3Credentials, {"session_token": "c"}),
    (S3Credentials, {"external_id": "e"}),
    (S3Credentials, {"endpoint_url": "https://user:secret@example.com"}),
    (OAuth2Credentials, OAUTH2 | {"token_url": "https://example.com/token"}),
    (OAuth2Credentials, OAUTH2 | {"client_secret": "s", "token_url": "example.com/token"}),
]


@pytest.mark.parametrize(("kind", "data"), VALID, ids=str)
def test_schema_accepts_valid_block(kind: type[Block], data: dict[str, Any]) -> None:
    kind(**data)
    assert validate(data, kind.model_json_schema()) == []


@pytest.mark.parametrize(("kind", "data"), INVALID, ids=str)
def test_schema_refuses_invalid_block(kind: type[Block], data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind(**data)
    assert validate(data, kind.model_json_schema())
