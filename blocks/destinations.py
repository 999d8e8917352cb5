"""The credentials and the location of a destination, from a block."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from prefect_stac_asset.blocks import prefect_aws, prefect_azure, prefect_gcp
from prefect_stac_asset.blocks.integrations import is_one_of
from prefect_stac_asset.blocks.prefect_azure import AZURE_BLOCKS, azure_identity
from prefect_stac_asset.blocks.prefect_gcp import GCP_BLOCKS, gcs_identity
from prefect_stac_asset.blocks.references import name_of
from prefect_stac_asset.blocks.registry import check_supported_destination
from prefect_stac_asset.blocks.s3 import S3Credentials
from stac_asset import Config
from stac_asset.clients.s3.identity import BucketPrefix, S3Identity
from stac_asset.destinations.location import StorePath, location_of
from stac_asset.errors import ConfigError
from stac_asset.object_store.buckets import Bucket


@dataclass(frozen=True, slots=True)
class _StoreService:
    """The service of a block."""

    name: str
    """The name, for errors."""

    scheme: str
    """The scheme of the URLs of buckets."""

    example: str
    """A URL of a prefix."""


_S3 = _StoreService("S3", "s3", "s3://bucket/prefix")
_GCS = _StoreService("Google Cloud Storage", "gs", "gs://bucket/prefix")
_AZURE = _StoreService("Azure Blob Storage", "az", "az://container/prefix")


@dataclass(frozen=True, slots=True)
class DestinationAccess:
    """How the library connects to a destination."""

    config: Config
    """The configuration, with the endpoint, the region or the identity of the destination."""

    identity: S3Identity | None = field(default=None, repr=False)
    """The identity that signs requests to S3. By default, the credentials of `config`."""


def destination_access(block: Any, config: Config) -> DestinationAccess:
    """Return the configuration and the identity of a destination.

    Requests are signed for the endpoint of the block only, so that options cannot send the secret
    of a block to another host.

    Args:
        block: The block, or None for the options of `config` and the credentials of the machine.
        config: The configuration of the run.

    Raises:
        ConfigError: The type of the block is not supported, its credentials are incomplete, or
            `config` has an endpoint or profile too.
    """
    if block is None:
        return DestinationAccess(config)
    check_supported_destination(block)
    service = _service_of(block)
    advice = (
        "Set the endpoint and the profile in the block" if service is _S3 else "Remove the option"
    )
    for name in ("destination_endpoint_url", "destination_profile"):
        if getattr(config, name) is not None:
            raise ConfigError(
                f"`{name}` is set, and {name_of(block)} is given as `destination_credentials`. "
                f"{advice}, or remove the block."
            )
    if service is not _S3:
        identity = gcs_identity(block) if service is _GCS else azure_identity(block)
        return DestinationAccess(dataclasses.replace(config, destination_identity=identity))
    if isinstance(block, S3Credentials):
        s3_identity, endpoint = block.identity(), block.endpoint_url
        region = block.region_name
    else:
        endpoint, region = prefect_aws.endpoint_of(block), prefect_aws.region_of(block)
        s3_identity = prefect_aws.identity_of(block, endpoint)
    config = dataclasses.replace(
        config,
        destination_endpoint_url=endpoint,
        destination_region=region or config.destination_region,
    )
    return DestinationAccess(config, s3_identity)


def destination_root(block: Any) -> StorePath | None:
    """Return the prefix that a block names. A block of credentials names no prefix.

    Args:
        block: The block.

    Raises:
        ConfigError: The name of the bucket or the folder is not valid.
    """
    named = _bucket_of(block)
    if named is None:
        return None
    bucket, folder = named[0], (named[1] or "").strip("/")
    found = location_of(f"{_service_of(block).scheme}://{bucket}/{folder}", name_of(block))
    assert isinstance(found, StorePath), "the URL of a bucket is the location of a store"
    return found


def example_url(block: Any) -> str:
    """Return an example of the URLs that a block is for.

    Args:
        block: The block.
    """
    return _service_of(block).example


def check_destination(block: Any, location: StorePath, parameter: str = "directory") -> None:
    """Check that a block is for a prefix.

    Args:
        block: The block.
        location: The prefix.
        parameter: The parameter with the URL of the prefix, for errors.

    Raises:
        ConfigError: The block is for another service, account or bucket, or is not valid.
    """
    service = _service_of(block)
    if _service_at(location) is not service:
        # The endpoint of the block must not receive the credentials of another service.
        raise ConfigError(
            f"`{parameter}` '{location}' is not in {service.name}, but {name_of(block)} is given "
            f"as `destination_credentials`. Remove the block, or set `{parameter}` to a URL such "
            f"as '{service.example}'."
        )
    account = azure_identity(block).account if service is _AZURE else None
    other = _container_account(location)
    if account is not None and other not in (None, account):
        raise ConfigError(
            f"`{parameter}` '{location}' is in the storage account '{other}', but {name_of(block)} "
            f"is for the account '{account}'. Correct `{parameter}`, or pass another block as "
            "`destination_credentials`."
        )
    root = destination_root(block)
    if root is not None:
        if _bucket_at(root) != _bucket_at(location):
            raise ConfigError(
                f"`{parameter}` '{location}' is not in the bucket of {name_of(block)}. Set "
                f"`{parameter}` to a prefix in '{root.store}', or to a path relative to '{root}'."
            )
    elif isinstance(block, S3Credentials) and block.buckets:
        bucket = location.store.removeprefix("s3://")
        allowed = [BucketPrefix.parse(one) for one in block.buckets]
        if not any(
            one.bucket == bucket and f"{location.key}/".startswith(one.prefix) for one in allowed
        ):
            raise ConfigError(
                f"`{parameter}` '{location}' is not in the `buckets` of {name_of(block)}. Add the "
                "bucket to the block, or pass another block as `destination_credentials`."
            )


def _service_of(block: Any) -> _StoreService:
    if is_one_of(block, GCP_BLOCKS):
        return _GCS
    return _AZURE if is_one_of(block, AZURE_BLOCKS) else _S3


def _service_at(location: StorePath) -> _StoreService:
    found = Bucket.parse(location.store)
    if found is None:
        return _S3
    return _GCS if found.service == "gcs" else _AZURE


def _bucket_of(block: Any) -> tuple[str, str | None] | None:
    """Return the bucket and the folder of a block, if the block is a bucket."""
    if prefect_aws.BUCKET.is_instance(block):
        return block.bucket_name, block.bucket_folder
    if prefect_gcp.BUCKET.is_instance(block):
        return block.bucket, block.bucket_folder
    if prefect_azure.CONTAINER.is_instance(block):
        return block.container_name, block.base_folder
    return None


def _bucket_at(location: StorePath) -> str:
    """Return the name of the bucket or container. URLs of Azure can also contain the account."""
    found = Bucket.parse(location.store)
    return found.name if found is not None else location.store


def _container_account(location: StorePath) -> str | None:
    found = Bucket.parse(location.store)
    return found.account if found is not None else None
