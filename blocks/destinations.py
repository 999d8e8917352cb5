"""The credentials and the location of a destination, from a block."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from prefect_stac_asset.blocks.prefect_aws import BUCKET_BLOCKS, endpoint_of, identity_of
from prefect_stac_asset.blocks.references import name_of
from prefect_stac_asset.blocks.registry import check_supported_destination
from prefect_stac_asset.blocks.s3 import S3Credentials
from stac_asset import Config
from stac_asset.clients.s3.identity import BucketPrefix, S3Identity
from stac_asset.destinations.location import StorePath, location_of
from stac_asset.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DestinationAccess:
    """How the library connects to a destination."""

    config: Config
    """The configuration, with the endpoint and the region of the destination."""

    identity: S3Identity | None = field(default=None, repr=False)
    """The identity that signs requests. By default, the credentials of `config`."""


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
    for name in ("destination_endpoint_url", "destination_profile"):
        if getattr(config, name) is not None:
            raise ConfigError(
                f"`{name}` is set, and {name_of(block)} is given as `destination_credentials`. Set "
                "the endpoint and the profile in the block, or remove the block."
            )
    found = _credentials_of(block)
    if isinstance(found, S3Credentials):
        identity, endpoint = found.identity(), found.endpoint_url
    else:
        endpoint = endpoint_of(found)
        identity = identity_of(found, endpoint)
    config = dataclasses.replace(
        config,
        destination_endpoint_url=endpoint,
        destination_region=found.region_name or config.destination_region,
    )
    return DestinationAccess(config, identity)


def destination_root(block: Any) -> StorePath | None:
    """Return the prefix that a block names. A block of credentials names no prefix.

    Args:
        block: The block.

    Raises:
        ConfigError: The name of the bucket or the folder is not valid.
    """
    if not _is_bucket(block):
        return None
    folder = str(block.bucket_folder or "").strip("/")
    found = location_of(f"s3://{block.bucket_name}/{folder}", name_of(block))
    assert isinstance(found, StorePath), "an S3 URL is the location of a store"
    return found


def check_destination(block: Any, location: StorePath, parameter: str = "directory") -> None:
    """Check that a block is for a prefix.

    Args:
        block: The block.
        location: The prefix.
        parameter: The parameter with the URL of the prefix, for errors.

    Raises:
        ConfigError: The block is for other buckets.
    """
    if not location.store.startswith("s3://"):
        # The endpoint of the block must not receive the credentials of another service.
        raise ConfigError(
            f"`{parameter}` '{location}' is not in S3, but {name_of(block)} is given as "
            f"`destination_credentials`. Remove the block, or set `{parameter}` to a URL such as "
            "'s3://bucket/prefix'."
        )
    if _is_bucket(block):
        root = destination_root(block)
        if root is not None and root.store != location.store:
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


def _is_bucket(block: Any) -> bool:
    return any(kind.is_instance(block) for kind in BUCKET_BLOCKS)


def _credentials_of(block: Any) -> Any:
    """Return the block that has the credentials."""
    return block.credentials if _is_bucket(block) else block
