"""Internal: destinations of Google Cloud Storage and Azure, by the options of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stac_asset.config import Config
from stac_asset.destinations.location import StorePath
from stac_asset.errors import ConfigError, DestinationError
from stac_asset.object_store.buckets import Bucket
from stac_asset.object_store.connection import Limits, is_installed, missing_extra, open_store
from stac_asset.object_store.identity import AzureIdentity, GcsIdentity

if TYPE_CHECKING:
    from stac_asset.destinations.object_store import ObjectStoreDestination

_S3_ONLY = (
    "destination_profile",
    "destination_access_key_id",
    "destination_secret_access_key",
    "destination_session_token",
    "destination_encryption",
    "destination_kms_key_id",
    "destination_acl",
    "destination_tags",
)
"""Credentials, and properties of new objects, that only S3 destinations have."""


def object_store_destination(
    directory: str, config: Config, action: str = "written"
) -> ObjectStoreDestination:
    """Return the destination of a prefix. No request is sent.

    Args:
        directory: The URL of the prefix.
        config: The validated configuration.
        action: What the run does with the destination, for messages: `written` or `read`.

    Raises:
        DestinationError: obstore is not installed, or an option is for S3 only.
    """
    place = StorePath.parse(directory)
    bucket = Bucket.parse(place.store)
    if bucket is None:
        raise DestinationError(f"{directory} has no valid bucket name. Correct the URL")
    if not is_installed():
        raise DestinationError(f"{directory} cannot be {action}: {missing_extra(bucket.service)}")
    for name in _S3_ONLY:
        if getattr(config, name):
            raise DestinationError(
                f"{directory} cannot be {action}: `{name}` is for S3 only. Remove the option"
            )
    from stac_asset.destinations.object_store import ObjectStore, ObjectStoreDestination

    identity = _identity(bucket, config)
    limits = Limits(config.http_read_timeout, retries=config.s3_max_attempts - 1)

    def connect() -> object:
        try:
            return open_store(bucket, identity, limits)
        except ConfigError as error:
            raise DestinationError(f"{directory} cannot be {action}: {error}") from None

    store = ObjectStore(connect, place.store, config.destination_storage_class, action)
    service = identity.endpoint_url if identity is not None else None
    return ObjectStoreDestination(store, place.key, service or "")


def _identity(bucket: Bucket, config: Config) -> GcsIdentity | AzureIdentity | None:
    """Return the identity of the destination, with the endpoint of the options."""
    identity, endpoint = config.destination_identity, config.destination_endpoint_url
    if endpoint is None:
        return identity
    if identity is None:
        identity = GcsIdentity() if bucket.service == "gcs" else AzureIdentity()
    return replace(identity, endpoint_url=endpoint)
