"""Internal: the identity of a request to Google Cloud Storage or Azure, and errors of requests."""

from __future__ import annotations

import os
from http import HTTPStatus

from stac_asset.errors import (
    AccessError,
    ConnectionFailedError,
    ResponseError,
    StacAssetError,
    TransferError,
)
from stac_asset.object_store.buckets import Bucket
from stac_asset.object_store.connection import has_environment
from stac_asset.object_store.failures import FailureReason, failure_of
from stac_asset.object_store.identity import AzureIdentity, GcsIdentity

_HINTS = {
    "gcs": "set GOOGLE_APPLICATION_CREDENTIALS, or pass a client with a `GcsIdentity`",
    "azure": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or pass a client with "
    "an `AzureIdentity`",
}


def identity_for(
    bucket: Bucket, identity: GcsIdentity | AzureIdentity | None
) -> GcsIdentity | AzureIdentity:
    """Return the identity of the requests to a bucket.

    Without an identity, requests are signed if the environment has credentials. Credentials of
    another storage account are not sent.

    Args:
        bucket: The bucket.
        identity: The identity of the client, if any.
    """
    if bucket.service == "gcs":
        return identity or GcsIdentity(anonymous=not has_environment("gcs"))
    if isinstance(identity, AzureIdentity):
        own, endpoint = identity.account, identity.endpoint_url
    else:
        own, endpoint = os.environ.get("AZURE_STORAGE_ACCOUNT_NAME"), None
    if own is not None and bucket.account not in (None, own):
        return AzureIdentity(bucket.account, anonymous=True)
    if identity is not None:
        return identity
    return AzureIdentity(own, anonymous=not has_environment("azure"), endpoint_url=endpoint)


def source_error(
    error: Exception, shown: str, bucket: Bucket, is_anonymous: bool, is_body: bool = False
) -> StacAssetError:
    """Return the error of this package for an error of obstore.

    Args:
        error: The raised error.
        shown: The redacted href.
        bucket: The bucket.
        is_anonymous: Whether the request had no credentials.
        is_body: Whether bytes of the object had arrived.
    """
    if isinstance(error, StacAssetError):
        return error
    failure = failure_of(error)
    match failure.reason:
        case FailureReason.MISSING:
            return ResponseError.of(404, "Not Found", shown)
        case FailureReason.NO_BUCKET:
            hint = "the bucket or container does not exist"
            return ResponseError.of(404, "Not Found", shown, hint=hint)
        case FailureReason.DENIED:
            status = failure.status or 403
            hint = "the credentials have no access, or the object does not exist"
            if is_anonymous:
                hint = f"the request had no credentials. To sign it, {_HINTS[bucket.service]}"
            return ResponseError.of(status, HTTPStatus(status).phrase, shown, hint=hint)
        case FailureReason.NO_CREDENTIALS:
            return AccessError(
                f"{shown} cannot be read: no credentials were found, or no token was issued for "
                f"them. Please {_HINTS[bucket.service]}"
            )
        case FailureReason.UNREACHABLE:
            return ConnectionFailedError(f"{shown} cannot be reached")
    if failure.status is not None:
        return ResponseError.of(failure.status, _phrase(failure.status), shown)
    if is_body:
        return ConnectionFailedError(f"{shown}: the connection broke")
    return TransferError(f"{shown} cannot be read: the request failed ({type(error).__name__})")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
