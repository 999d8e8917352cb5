"""Internal: maps the errors of S3 requests to errors that name the object and the cure.

The messages of S3 are not repeated, because they may contain the signed text of a request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from stac_asset.destinations.buckets.errors import ConflictError, MissingError
from stac_asset.errors import DestinationError

_CODE = re.compile(r"(?=.*[a-z])[A-Z][A-Za-z.]{1,63}|\d{3}")
"""Form of S3's error codes. Texts of another form may repeat a part of the request."""

_ADVICE = {
    "NoSuchBucket": "the bucket does not exist. Create the bucket, or correct the URL",
    "AccessDenied": "the credentials have no permission. Allow s3:PutObject, s3:GetObject, "
    "s3:ListBucket, s3:DeleteObject, s3:AbortMultipartUpload, s3:ListMultipartUploadParts and "
    "s3:ListBucketMultipartUploads, or use other credentials",
    "AllAccessDisabled": "the bucket is disabled. Use another bucket",
    "InvalidAccessKeyId": "the access key is unknown. Correct the credentials of the destination",
    "SignatureDoesNotMatch": "the secret of the access key is wrong. Correct the credentials of "
    "the destination",
    "ExpiredToken": "the credentials have expired. Renew them",
    "InvalidToken": "the session token is invalid. Renew the credentials",
    "RequestTimeTooSkewed": "the clock of this machine is wrong. Set the clock",
    "PermanentRedirect": "the bucket is in another region. Set `destination_region`",
    "AuthorizationHeaderMalformed": "the bucket is in another region. Set `destination_region`",
    "IllegalLocationConstraintException": "the bucket is in another region. Set "
    "`destination_region`",
    "InvalidStorageClass": "the storage class is unknown. Correct `destination_storage_class`",
    "InvalidTag": "the service refuses the tags. Correct `destination_tags`",
    "AccessControlListNotSupported": "the bucket has no ACLs. Remove `destination_acl`",
    "QuotaExceeded": "the quota of the bucket is used up. Free some space",
    "EntityTooLarge": "the file is too large for the service",
    "KeyTooLongError": "the key is longer than 1,024 bytes. Use a shorter `path_template`",
}
_KMS_ADVICE = (
    "the KMS key cannot be used. Allow kms:GenerateDataKey and kms:Decrypt on the key, or correct "
    "`destination_kms_key_id`"
)
"""Advice for errors of the key service. Their codes start with `KMS.`."""

_CODES = {"403": "AccessDenied", "301": "PermanentRedirect"}
"""The codes of statuses: the response to a HEAD request has no body."""

NO_SERVICE = "the response is not one of S3. Check that `destination_endpoint_url` is an S3 service"
"""The reason if the endpoint is no object store."""

_NO_CREDENTIALS = (
    "no credentials were found. Set `destination_profile`, or `destination_access_key_id` and "
    "`destination_secret_access_key`"
)
_CREDENTIALS = {
    "NoCredentialsError": _NO_CREDENTIALS,
    "PartialCredentialsError": _NO_CREDENTIALS,
    "CredentialRetrievalError": _NO_CREDENTIALS,
    "TokenRetrievalError": _NO_CREDENTIALS,
    "ProfileNotFound": "the AWS configuration has no such profile. Correct `destination_profile`",
}
"""Reasons of botocore's errors, by class."""

_CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_UNSUPPORTED = frozenset({"NotImplemented", "501"})
MISSING = frozenset({"NoSuchKey", "NotFound", "404"})
"""Codes for an object that does not exist."""


class UnsupportedError(Exception):
    """Raised when the service does not know a condition or parameter of a request."""


class HeaderError(Exception):
    """Raised when the credentials contain a character that a header cannot have."""


class _FieldError(Exception):
    """Raised when a response of status 200 is not a response of S3."""


def field_of(response: Mapping[str, Any], name: str) -> str:
    """Return a field that each response to a request has. Call inside of `mapped_s3_errors`.

    Args:
        response: The response as botocore parsed it.
        name: The name of the field, such as `ETag`.
    """
    value = response.get(name)
    if not isinstance(value, str) or not value:
        raise _FieldError
    return value


def code_of(error: Exception) -> str:
    """Return the code of an S3 error, or the status without a code; empty for other errors.

    Args:
        error: The raised error.
    """
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    code = str(response.get("Error", {}).get("Code") or "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return code if _CODE.fullmatch(code) else str(status or "")


class mapped_s3_errors:
    """Raise the errors of botocore as errors of this package.

    This is a class because each upload needs several of these contexts, and a generator with the
    imports of the errors would take ten times as long.

    Args:
        url: The URL of the object or prefix, for messages.
        action: What the run does with the destination, for messages: `written` or `read`.

    Raises:
        MissingError: The object or the multipart upload does not exist.
        ConflictError: The object has another version.
        UnsupportedError: The service does not know the condition of the request.
        DestinationError: Any other error.
    """

    __slots__ = ("_action", "_url")

    def __init__(self, url: str, action: str = "written") -> None:
        self._url, self._action = url, action

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not isinstance(error, Exception):
            return
        replacement = _mapped(error, f"{self._url} cannot be {self._action}")
        if replacement is not None:
            raise replacement from None


def _mapped(error: Exception, failure: str) -> Exception | None:
    """Return the error of this package for an error of a request. Return None for other errors."""
    from aiohttp import ClientError as HttpError
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as ConnectionFailed

    if isinstance(error, ClientError):
        return _mapped_response(error, failure)
    if isinstance(error, _FieldError):
        return _failure(f"{failure}: {NO_SERVICE}")
    if isinstance(error, HeaderError):
        return _failure(
            f"{failure}: the access key or the session token contains a line end or another "
            "control character. Correct the credentials of the destination"
        )
    if isinstance(error, HTTPClientError | ConnectionFailed | HttpError | OSError):
        return _failure(
            f"{failure}: the service cannot be reached ({type(error).__name__}). "
            "Check `destination_endpoint_url` and the network"
        )
    if isinstance(error, BotoCoreError):
        kind = type(error).__name__
        return _failure(f"{failure}: {_CREDENTIALS.get(kind, f'{NO_SERVICE} ({kind})')}")
    return None


def _mapped_response(error: Exception, failure: str) -> Exception:
    """Return the error of this package for a response with an error status."""
    code = code_of(error)
    if code in MISSING or code == "NoSuchUpload":
        return MissingError()
    if code in _UNSUPPORTED:
        return UnsupportedError()
    if code in _CONFLICTS:
        return ConflictError(code in ("ConditionalRequestConflict", "409"))
    code = _CODES.get(code, code)
    advice = ", or check `destination_endpoint_url`" if code.isdecimal() else ""
    if code.startswith("KMS.") or "kms:" in str(error):
        return _failure(f"{failure}: {_KMS_ADVICE}")
    reason = _ADVICE.get(code, f"the service responded {code!r}. Try again later{advice}")
    return _failure(f"{failure}: {reason}")


def _failure(text: str) -> DestinationError:
    """Return the error of a request. Stored parts stay for a later run with working requests."""
    error = DestinationError(text)
    error.resumable = True
    return error
