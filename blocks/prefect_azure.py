"""Blocks of prefect-azure, for Azure Blob Storage as a source and as a destination.

The blocks require the extra `prefect-azure`. With an account URL alone, the credentials of the
environment or the machine of the flow sign the requests.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from yarl import URL

from prefect_stac_asset.blocks.fields import revealed
from prefect_stac_asset.blocks.integrations import IntegrationBlock
from prefect_stac_asset.blocks.references import name_of
from stac_asset import AzureClient, AzureIdentity, Client, Config, ConfigError

CREDENTIALS = IntegrationBlock(
    "AzureBlobStorageCredentials",
    "azure-blob-storage-credentials",
    "Saved Azure Blob Storage credentials of prefect-azure.",
    "prefect_azure.credentials",
)
CONTAINER = IntegrationBlock(
    "AzureBlobStorageContainer",
    "azure-blob-storage-container",
    "Saved Azure Blob Storage container of prefect-azure, with credentials.",
    "prefect_azure.blob_storage",
)

AZURE_BLOCKS: tuple[IntegrationBlock, ...] = (
    (CREDENTIALS, CONTAINER) if find_spec("prefect_azure") else ()
)
"""The supported types, or empty if prefect-azure is not installed."""


async def azure_client(block: Any, config: Config) -> Client:
    """Return a client that uses the credentials of a block of prefect-azure.

    Args:
        block: A block of one of the types in `AZURE_BLOCKS`. A container is for its own objects
            only.
        config: Options for requests.

    Raises:
        ConfigError: obstore is not installed, or the credentials are not valid.
    """
    identity = azure_identity(block)
    containers = [block.container_name] if CONTAINER.is_instance(block) else []
    client = await AzureClient.from_config(config, identity, containers)
    client.credentials = name_of(block)
    if identity.endpoint_url is not None:
        client.credentials_host = URL(identity.endpoint_url).host_port_subcomponent
    return client


def azure_identity(block: Any) -> AzureIdentity:
    """Return the identity of a block, which signs requests.

    Args:
        block: A block of one of the types in `AZURE_BLOCKS`.

    Raises:
        ConfigError: The connection string or the account URL is not valid.
    """
    credentials = block.credentials if CONTAINER.is_instance(block) else block
    try:
        text = revealed(credentials.connection_string)
        if text is not None:
            return AzureIdentity.from_connection_string(text)
        endpoint, account = _account_of(credentials.account_url or "")
        return AzureIdentity(
            account,
            tenant_id=credentials.tenant_id,
            client_id=credentials.client_id,
            client_secret=revealed(credentials.client_secret),
            endpoint_url=endpoint,
        )
    except ConfigError as error:
        raise ConfigError(f"The credentials of {name_of(block)} are not valid: {error}") from None


def _account_of(account_url: str) -> tuple[str, str]:
    """Return the endpoint and the account of an account URL.

    Raises:
        ConfigError: The URL names no account, or contains a secret.
    """
    try:
        url = URL(account_url)
    except ValueError:
        url = URL()
    if url.query_string or url.raw_user or url.raw_password:
        raise ConfigError(
            "`account_url` contains a secret, but is stored in plain text. Set `connection_string` "
            "with the SAS token instead."
        )
    name, dot, _ = (url.host or "").partition(".blob.")
    # The account is the path of an emulator's URL.
    account = name if dot else url.path.strip("/")
    if url.scheme not in ("http", "https") or not account or "/" in account:
        raise ConfigError(
            "`account_url` names no storage account. Set a URL such as "
            "'https://<account>.blob.core.windows.net', or set `connection_string`."
        )
    return str(url).rstrip("/"), account
