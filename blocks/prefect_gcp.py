"""Blocks of prefect-gcp, for Google Cloud Storage as a source and as a destination.

The blocks require the extra `prefect-gcp`. Without a key, the credentials of the environment or the
machine of the flow sign the requests.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from prefect_stac_asset.blocks.integrations import IntegrationBlock
from prefect_stac_asset.blocks.references import name_of
from stac_asset import Client, Config, ConfigError, GcsClient, GcsIdentity

CREDENTIALS = IntegrationBlock(
    "GcpCredentials",
    "gcp-credentials",
    "Saved Google Cloud credentials of prefect-gcp.",
    "prefect_gcp.credentials",
)
BUCKET = IntegrationBlock(
    "GcsBucket",
    "gcs-bucket",
    "Saved Google Cloud Storage bucket of prefect-gcp, with credentials.",
    "prefect_gcp.cloud_storage",
)

GCP_BLOCKS: tuple[IntegrationBlock, ...] = (CREDENTIALS, BUCKET) if find_spec("prefect_gcp") else ()
"""The supported types, or empty if prefect-gcp is not installed."""


async def gcs_client(block: Any, config: Config) -> Client:
    """Return a client that uses the credentials of a block of prefect-gcp.

    Args:
        block: A block of one of the types in `GCP_BLOCKS`. A bucket is for its own objects only.
        config: Options for requests.

    Raises:
        ConfigError: obstore is not installed, or the key is not valid.
    """
    buckets = [block.bucket] if BUCKET.is_instance(block) else []
    client = await GcsClient.from_config(config, gcs_identity(block), buckets)
    client.credentials = name_of(block)
    return client


def gcs_identity(block: Any) -> GcsIdentity:
    """Return the identity of a block, which signs requests.

    Args:
        block: A block of one of the types in `GCP_BLOCKS`.

    Raises:
        ConfigError: The file of the key cannot be read, or the key is not valid.
    """
    credentials = block.gcp_credentials if BUCKET.is_instance(block) else block
    info = credentials.service_account_info
    if info is not None:
        fields = info.get_secret_value()
    elif credentials.service_account_file is not None:
        fields = _fields_of(credentials.service_account_file, block)
    else:
        return GcsIdentity()
    try:
        # obstore defines this field of a key, which names the endpoint of an emulator.
        return GcsIdentity(json.dumps(fields), endpoint_url=fields.get("gcs_base_url"))
    except ConfigError as error:
        raise ConfigError(f"The credentials of {name_of(block)} are not valid: {error}") from None


def _fields_of(path: Path, block: Any) -> dict[str, Any]:
    """Return the fields of a key.

    Raises:
        ConfigError: The file cannot be read, or is no JSON object.
    """
    try:
        fields = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the file is not JSON"
    else:
        if isinstance(fields, dict):
            return fields
        reason = "the file is not a JSON object"
    raise ConfigError(
        f"The `service_account_file` '{path}' of {name_of(block)} cannot be read: {reason}. "
        "Correct the path, or set `service_account_info`."
    )
