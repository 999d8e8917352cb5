"""Blocks of prefect-gcp and prefect-azure for the services of the tests."""

from __future__ import annotations

import functools
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prefect_azure import AzureBlobStorageCredentials
from prefect_gcp import GcpCredentials
from pydantic import SecretStr

from tests.support.azurite import ACCOUNT, KEY
from tests.support.gcs_service import GcsService
from tests.support.object_stores import AzureContainer

EMAIL = "tests@project.iam.gserviceaccount.com"
"""Address of the service account."""


@functools.cache
def private_key() -> str:
    """Return the private key of the service account, in the PEM format."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def service_account(endpoint: str | None = None) -> dict[str, Any]:
    """Return the fields of the key of a service account.

    Args:
        endpoint: The URL of the service, if it is not Google's.
    """
    fields = {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "key-1",
        "private_key": private_key(),
        "client_email": EMAIL,
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return fields | ({"gcs_base_url": endpoint} if endpoint is not None else {})


def gcp_credentials(service: GcsService) -> GcpCredentials:
    """Return a block with a service account that the service accepts."""
    service.accounts.add(EMAIL)
    return GcpCredentials(service_account_info=service_account(service.url))


def connection_string(endpoint: str) -> str:
    """Return a connection string for Azurite, or for a proxy of Azurite.

    Args:
        endpoint: The URL of the server, without the account.
    """
    return f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={endpoint}/{ACCOUNT}"


def azure_credentials(container: AzureContainer) -> AzureBlobStorageCredentials:
    """Return a block with the key of the account of a container."""
    text = connection_string(container.azurite.url)
    return AzureBlobStorageCredentials(connection_string=SecretStr(text))


async def save_gcp(service: GcsService, name: str) -> GcpCredentials:
    """Save a block of `gcp_credentials`, and return the saved block."""
    await gcp_credentials(service).save(name, overwrite=True)
    found: GcpCredentials = await GcpCredentials.load(name)
    return found


async def save_azure(container: AzureContainer, name: str) -> AzureBlobStorageCredentials:
    """Save a block of `azure_credentials`, and return the saved block."""
    await azure_credentials(container).save(name, overwrite=True)
    found: AzureBlobStorageCredentials = await AzureBlobStorageCredentials.load(name)
    return found
