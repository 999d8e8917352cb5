"""Identities of Google Cloud Storage and Azure."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from stac_asset import Config, ConfigError
from stac_asset.object_store.identity import AzureIdentity, GcsIdentity

SERVICE_ACCOUNT = json.dumps({"client_email": "a@example.com", "private_key": "hidden-key"})
SECRETS = [
    GcsIdentity(service_account_key=SERVICE_ACCOUNT),
    GcsIdentity(token="hidden-token"),
    AzureIdentity("account", account_key="aGlkZGVu"),
    AzureIdentity("account", sas_token="sig=hidden"),
    AzureIdentity(token="hidden-token"),
    AzureIdentity(tenant_id="tenant", client_id="client", client_secret="hidden-secret"),
]


@pytest.mark.parametrize("identity", SECRETS)
def test_identity_has_no_secret_in_its_repr(identity: GcsIdentity | AzureIdentity) -> None:
    config = Config(destination_identity=identity)
    config.validate()
    assert "hidden" not in repr(identity) + repr(config)
    assert pickle.loads(pickle.dumps(config)).destination_identity == identity
    assert not identity.is_default


@pytest.mark.parametrize(
    ("kind", "fields", "advice"),
    [
        (GcsIdentity, {"token": "hidden", "anonymous": True}, "Set only one of them"),
        (GcsIdentity, {"service_account_key": "hidden"}, "Set the JSON text"),
        (GcsIdentity, {"service_account_key": '{"type": "hidden"}'}, "Set the JSON text"),
        (AzureIdentity, {"account_key": "hidden"}, "Set `account` too"),
        (AzureIdentity, {"account": "account", "account_key": "hidden"}, "Copy the key"),
        (AzureIdentity, {"account": "a/../b"}, "3 to 24 lowercase letters and digits"),
        (AzureIdentity, {"client_secret": "hidden"}, "Set `tenant_id`"),
        (
            AzureIdentity,
            {"account": "account", "token": "hidden", "sas_token": "hidden"},
            "Set only one of them",
        ),
    ],
)
def test_contradictory_identity_is_refused(
    kind: type[GcsIdentity | AzureIdentity], fields: dict[str, Any], advice: str
) -> None:
    with pytest.raises(ConfigError, match=advice) as error:
        kind(**fields)
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        (
            "DefaultEndpointsProtocol=https;AccountName=account;AccountKey=a2V5LQ==;"
            "EndpointSuffix=core.windows.net",
            AzureIdentity(
                "account",
                account_key="a2V5LQ==",
                endpoint_url="https://account.blob.core.windows.net",
            ),
        ),
        (
            "AccountName=devstoreaccount1;AccountKey=a2V5;"
            "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;",
            AzureIdentity(
                "devstoreaccount1",
                account_key="a2V5",
                endpoint_url="http://127.0.0.1:10000/devstoreaccount1",
            ),
        ),
        (
            "BlobEndpoint=https://account.blob.core.windows.net;SharedAccessSignature=sv=1&sig=x%3D",
            AzureIdentity(
                "account",
                sas_token="sv=1&sig=x%3D",
                endpoint_url="https://account.blob.core.windows.net",
            ),
        ),
    ],
)
def test_connection_string_is_parsed(text: str, identity: AzureIdentity) -> None:
    assert AzureIdentity.from_connection_string(text) == identity


@pytest.mark.parametrize("text", ["", "hidden", "AccountName=account", "AccountKey=hidden"])
def test_incomplete_connection_string_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="Copy the connection string") as error:
        AzureIdentity.from_connection_string(text)
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ('{"account": "account", "sas_token": "s"}', AzureIdentity("account", sas_token="s")),
        (
            '{"token": "t", "endpoint_url": "http://a"}',
            GcsIdentity(token="t", endpoint_url="http://a"),
        ),
    ],
)
def test_environment_variable_contains_an_identity(
    monkeypatch: pytest.MonkeyPatch, text: str, identity: GcsIdentity | AzureIdentity
) -> None:
    monkeypatch.setenv("STAC_ASSET_DESTINATION_IDENTITY", text)
    assert Config.from_env().destination_identity == identity


@pytest.mark.parametrize("text", ["hidden", '{"sas_tokn": "hidden"}', '{"sas_token": "hidden"}'])
def test_invalid_environment_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("STAC_ASSET_DESTINATION_IDENTITY", text)
    with pytest.raises(ConfigError, match="STAC_ASSET_DESTINATION_IDENTITY") as error:
        Config.from_env()
    assert "hidden" not in str(error.value)
