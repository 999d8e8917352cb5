"""Map botocore's errors to errors of this package.

The errors contain S3's error code, but neither headers nor S3's message. The message may contain
the signed text, the access key id or the headers of the request.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from stac_asset import error_mapping as mapping
from stac_asset.clients.requested_wait import requested_wait
from stac_asset.clients.s3.advice import code_advice
from stac_asset.clients.s3.objects import RequestTarget
from stac_asset.errors import (
    AccessError,
    ConfigError,
    ConnectionFailedError,
    HrefError,
    NotFoundError,
    ResponseError,
    StacAssetError,
    StalledError,
    TransferError,
    UnexpectedError,
)
from stac_asset.redact import redact_href, redact_text
from stac_asset.types import Storage

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_CODE = re.compile(r"(?=.*[a-z])[A-Z][A-Za-z.]{1,63}|\d{3}")
"""Form of S3's error codes. Texts of another form may repeat a part of the request."""
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_BUSY = re.compile(r".*(SlowDown|Throttl|TooManyRequests|LimitExceeded|BandwidthLimit).*")
_CREDENTIAL_CODES = frozenset(
    {
        *_EXPIRED,
        *("AuthFailure", "AuthorizationHeaderMalformed", "IncompleteSignature"),
        *("InvalidAccessKeyId", "InvalidClientTokenId"),
        *("InvalidSecurity", "InvalidToken", "InvalidTokenId", "MissingAuthenticationToken"),
        *("NotSignedUp", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"),
        "UnrecognizedClientException",
    }
)
"""Codes of errors that the credentials or the clock of the machine cause, also with status 400."""

_OBJECT_OPERATIONS = frozenset({"GetObject", "HeadObject", "HeadBucket"})
"""Operations of requests to buckets. Other operations request credentials."""

_OTHER_STATUSES = frozenset({404, 408, 410, 412, 416, 429})
"""Statuses of responses to clients that may read the object."""

_INTERNAL = frozenset({"InternalError", "ServiceUnavailable"})
_TIMEOUTS = frozenset({"RequestTimeout", "RequestTimeoutException"})


class RefusedPublicRequestError(Exception):
    """A public bucket refused a request with a signature and without.

    Args:
        error: The error of the request without a signature.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def code_of(error: Exception) -> str:
    """Return the code of an S3 error, or the status if there is no code; empty for other errors.

    Args:
        error: The raised error.
    """
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    code = str(response.get("Error", {}).get("Code") or "")
    return code if _CODE.fullmatch(code) else str(_status_of(response))


def refuses_credentials(error: Exception) -> bool:
    """Return whether S3 refused the credentials of a request.

    Args:
        error: The error of botocore.
    """
    from botocore import exceptions as botocore

    if isinstance(error, botocore.ClientError):
        status, code = _status_of(error.response), code_of(error)
        if _BUSY.fullmatch(code) or code in _INTERNAL or code == "InvalidObjectState":
            return False
        if error.operation_name not in _OBJECT_OPERATIONS:
            return status < 500
        return status in (401, 403) or code in _CREDENTIAL_CODES
    return isinstance(error, _credential_errors())


def refuses_request(error: Exception) -> bool:
    """Return whether S3 refused a request without a signature.

    Args:
        error: The error of botocore.
    """
    from botocore import exceptions as botocore

    if not isinstance(error, botocore.ClientError) or _BUSY.fullmatch(code_of(error)):
        return False
    status = _status_of(error.response)
    return 400 <= status < 500 and status not in _OTHER_STATUSES


def search_error(error: Exception, shown: str) -> StacAssetError:
    """Return the error of a search for AWS credentials.

    Args:
        error: The raised error.
        shown: The redacted href.
    """
    found = mapped(error, shown)
    if isinstance(found, UnexpectedError):  # For example a missing `credential_process`.
        kind = type(error).__name__
        return AccessError(f"{shown} cannot be read: the AWS credentials are invalid: {kind}")
    return found


def _status_of(response: Any) -> int:
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)


@cache
def _credential_errors() -> tuple[type[Exception], ...]:
    from botocore import exceptions as botocore

    return (
        botocore.NoCredentialsError,
        botocore.PartialCredentialsError,
        botocore.CredentialRetrievalError,
        botocore.TokenRetrievalError,
        botocore.NoAuthTokenError,
        botocore.ProfileNotFound,
        botocore.ConfigParseError,
        botocore.ConfigNotFound,
        botocore.InvalidConfigError,
        botocore.MetadataRetrievalError,
        botocore.InfiniteLoopConfigError,
        botocore.LoginError,
        botocore.SSOError,
    )


@cache
def _safe_errors() -> tuple[type[Exception], ...]:
    """Return the errors with messages that contain only names of the AWS configuration."""
    from botocore import exceptions as botocore

    return (
        botocore.NoCredentialsError,
        botocore.PartialCredentialsError,
        botocore.ProfileNotFound,
        botocore.ConfigNotFound,
        botocore.ConfigParseError,
        botocore.UnauthorizedSSOTokenError,
        botocore.SSOTokenLoadError,
    )


def mapped(error: Exception, shown: str, access: Access | str = "") -> StacAssetError:
    """Return the error of this package that corresponds to an error of a request to S3.

    Args:
        error: The raised error. A `StacAssetError` is returned unchanged.
        shown: The redacted href.
        access: The credentials of the request.
    """
    # Imported here for import time only. botocore is loaded already if a request failed.
    from botocore import exceptions as botocore
    from botocore.parsers import ResponseParserError

    reason = redact_text(str(error)) or type(error).__name__
    match error:
        case StacAssetError():
            return error
        case RefusedPublicRequestError():
            return mapped(error.error, shown, "with the AWS credentials found and without.")
        case botocore.ClientError():
            return _map_client_error(error, shown, access)
        case botocore.ReadTimeoutError() | TimeoutError():
            return StalledError(f"{shown} sent no bytes for too long")
        case botocore.SSLError():
            return TransferError(f"{shown} cannot be reached: TLS error: {reason}")
        case botocore.EndpointConnectionError():
            # The cause names the proxy, if the connection to the proxy failed.
            reason = redact_text(str(error.kwargs.get("error") or error))
            return ConnectionFailedError(f"{shown} cannot be reached: {reason}")
        case botocore.ConnectionError() | botocore.ConnectionClosedError():
            return ConnectionFailedError(f"{shown} cannot be reached: {reason}")
        case botocore.HTTPClientError() if isinstance(
            cause := error.kwargs.get("error"), ConfigError
        ):
            return cause  # A proxy or a file of certificates is not usable.
        case botocore.HTTPClientError() | ResponseParserError():
            # The errors' own messages quote the response.
            return mapping.malformed_response(shown)
        case _ if isinstance(error, _credential_errors()):
            if not isinstance(error, _safe_errors()):
                # The messages quote the output of a program or a server, which may contain secrets.
                reason = type(error).__name__
            return AccessError(f"{shown} cannot be read: the AWS credentials are invalid: {reason}")
        case botocore.ParamValidationError() | botocore.EndpointProviderError():
            return HrefError(f"{shown} does not contain a valid S3 bucket and key")
        case botocore.InvalidRegionError() | botocore.InvalidRetryConfigurationError():
            return ConfigError(reason)
        case _:
            return mapping.mapped(error, shown)


def mapped_errors(shown: str, access: Access | str = "") -> AbstractContextManager[None]:
    """Raise errors of this package in place of botocore's. Cancellation is not affected.

    Args:
        shown: The redacted href.
        access: The credentials of the request.
    """
    return mapping.mapped_errors(shown, partial(mapped, shown=shown, access=access))


@dataclass(frozen=True, slots=True)
class Access:
    """Description of the credentials of a request, for the message of an access error."""

    target: RequestTarget
    """The region and endpoint of the request."""

    signed: bool
    """Whether the request carries a signature."""

    storage: Storage | None
    """The asset's storage extension fields, if any."""

    requester_pays: bool
    """Whether requester pays is enabled in the client."""

    unsigned: bool = False
    """Whether an option or the environment forbids signatures."""

    source: str = ""
    """The source of the credentials, if known, such as `environment variables`."""

    def __str__(self) -> str:
        if self.signed:
            source = f" in {self.source}" if self.source else ""
            access = f"using the AWS credentials found{source}."
        elif self.unsigned:
            access = "without credentials, because `s3_unsigned` or `AWS_NO_SIGN_REQUEST` is set."
        elif self.target.signed:
            access = "without credentials, because none were found."
        else:
            access = (
                "without credentials, because only the item declares the endpoint "
                f"{redact_href(self.target.endpoint or '')}. Set `s3_endpoint_url` to this "
                "endpoint if you trust it."
            )
        if self.requester_pays:
            return access
        if self.storage is not None and self.storage.requester_pays:
            access += (
                " The item declares that the requester pays. Set `s3_requester_pays=True` to "
                "accept the costs."
            )
        elif self.target.endpoint is None and not self.unsigned:
            access += " If the requester pays for the bucket, set `s3_requester_pays=True`."
        return access


def _map_client_error(error: ClientError, shown: str, access: Access | str) -> StacAssetError:
    response: Any = error.response
    metadata = response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode") or 0)
    code = str(response.get("Error", {}).get("Code") or "")
    if not _CODE.fullmatch(code):
        code = ""
    label = code or str(status)
    if (
        error.operation_name not in _OBJECT_OPERATIONS
        and status < 500
        and not _BUSY.fullmatch(code)
    ):
        return AccessError(
            f"{shown} cannot be read: {error.operation_name} provides no AWS credentials ({label})"
        )
    if status in (404, 410) or code in ("NoSuchKey", "NoSuchBucket"):
        return NotFoundError(f"{shown} does not exist ({label})")
    if code in _EXPIRED:
        return AccessError(
            f"Access denied to {shown}: the AWS credentials expired ({code}). Renew them, or use a "
            "profile or role, whose credentials are renewed by themselves."
        )
    if code == "InvalidObjectState":
        return AccessError(f"{shown} is archived. Restore the object before the download.")
    if code in _TIMEOUTS:
        return StalledError(f"{shown} timed out ({label})")
    if status in (401, 403):
        advice = code_advice(code, str(response.get("Error", {}).get("Message") or ""))
        denied = AccessError(
            f"Access denied to {shown} ({label}) {access} "
            f"{advice or 'The object may also not exist.'}"
        )
        denied.may_be_limit = status == 403
        return denied
    if 300 <= status < 400:
        return TransferError(
            f"{shown} is in another region or at another endpoint, which S3 did not report "
            f"({label}). Check `s3_region_name` and `s3_endpoint_url`."
        )
    # Some services send throttling and internal errors with a 4xx status.
    if _BUSY.fullmatch(code) and status < 500:
        status = 429
    elif code in _INTERNAL and status < 500:
        status = 503
    wait = requested_wait(CIMultiDict(metadata.get("HTTPHeaders", {})), status)
    reason = code if code and not code.isdigit() else ""
    hint = code_advice(code, "") if 400 <= status < 500 else ""
    return ResponseError.of(status, reason, shown, wait, hint)
