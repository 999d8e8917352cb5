"""Maps what botocore raises to our errors, which hold S3's error code, and no header or message.

A message of S3 may hold what was signed, an access key's id or a request's headers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from stac_asset import error_mapping as mapping
from stac_asset.clients.s3.objects import Place
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
    TruncatedError,
)
from stac_asset.redact import redact_href, redact_text
from stac_asset.types import Storage

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_BUSY = re.compile(r".*(SlowDown|Throttl|TooManyRequests|LimitExceeded|BandwidthLimit).*")
_INTERNAL = frozenset({"InternalError", "ServiceUnavailable"})
_TIMEOUTS = frozenset({"RequestTimeout", "RequestTimeoutException"})


def mapped(error: Exception, shown: str, asked: str) -> StacAssetError:
    """Returns an error of ours for any error that a request to S3 raises.

    Args:
        error: What was raised; one of ours stays as it is.
        shown: The href, as it may be shown.
        asked: How it was asked for, as the end of a sentence, e.g. `a request without credentials`.
    """
    # Imported already by whatever raised; importing it at the top would slow down everybody.
    from botocore import exceptions as botocore
    from botocore.parsers import ResponseParserError

    reason = redact_text(str(error)) or type(error).__name__
    match error:
        case StacAssetError():
            return error
        case botocore.ClientError():
            return _answered(error, shown, asked)
        case botocore.ReadTimeoutError() | TimeoutError():
            return StalledError(f"{shown} sent nothing for too long")
        case botocore.SSLError():
            return TransferError(f"{shown} cannot be reached safely: {reason}")
        case botocore.ConnectionError() | botocore.ConnectionClosedError():
            return ConnectionFailedError(f"{shown} cannot be reached: {reason}")
        case botocore.ResponseStreamingError():
            return ConnectionFailedError(f"{shown} cannot be read: the connection broke")
        case botocore.HTTPClientError() | ResponseParserError():
            return mapping.garbled(shown)  # Both quote what they could not read.
        case botocore.IncompleteReadError():
            return TruncatedError(f"{shown} ended before its announced length")
        case botocore.FlexibleChecksumError():
            return TruncatedError(f"{shown} arrived damaged: S3 says another checksum")
        case (
            botocore.NoCredentialsError()
            | botocore.PartialCredentialsError()
            | botocore.CredentialRetrievalError()
            | botocore.TokenRetrievalError()
            | botocore.NoAuthTokenError()
            | botocore.ProfileNotFound()
            | botocore.ConfigParseError()
            | botocore.InvalidConfigError()
            | botocore.SSOError()
        ):
            return AccessError(f"{shown}: the AWS credentials cannot be used: {reason}")
        case botocore.ParamValidationError() | botocore.EndpointProviderError():
            return HrefError(f"{shown} names no bucket or key that S3 can have")
        case botocore.InvalidRegionError() | botocore.InvalidRetryConfigurationError():
            return ConfigError(reason)
        case _:
            return mapping.mapped(error, shown)


class mapped_errors(mapping.mapped_errors):
    """A context manager that maps what is raised inside; leaves cancellation alone.

    Args:
        shown: The href, as it may be shown.
        asked: How it is asked for, as for `mapped`.
    """

    __slots__ = ("_asked",)

    def __init__(self, shown: str, asked: str = "") -> None:
        super().__init__(shown)
        self._asked = asked

    def mapped(self, error: Exception) -> StacAssetError:
        """Returns an error of ours for what was raised inside.

        Args:
            error: What was raised; none of ours.
        """
        return mapped(error, str(self._href), self._asked)


def asked_how(place: Place, signs: bool, storage: Storage | None, pays: bool) -> str:
    """Returns how a request is made, for the sentence that says that it was refused.

    Args:
        place: Where it goes, and whether credentials may go there.
        signs: Whether it carries some.
        storage: What the item says of the object store, if anything.
        pays: Whether the requester pays.
    """
    if signs:
        asked = "a request with the AWS credentials that were found"
    elif place.signed:
        asked = "a request without credentials, as none were found"
    else:
        asked = (
            f"a request without credentials, as only the item names the endpoint "
            f"{redact_href(place.endpoint or '')}: set s3_endpoint_url to it if you trust it"
        )
    if storage is not None and storage.requester_pays and not pays:
        asked += "; the item says that requesters pay: set s3_requester_pays=True if you will"
    return asked


def _answered(error: ClientError, shown: str, asked: str) -> StacAssetError:
    response: Any = error.response
    metadata = response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode") or 0)
    code = str(response.get("Error", {}).get("Code") or "")
    if not _CODE.fullmatch(code):
        code = ""
    said = f"S3 answers {code or status}"
    if status in (404, 410) or code in ("NoSuchKey", "NoSuchBucket"):
        return NotFoundError(f"there is no object {shown}: {said}")
    if code in _EXPIRED:
        return AccessError(f"{shown} must not be read: the AWS credentials expired ({code})")
    if code == "InvalidObjectState":
        return AccessError(f"{shown} is archived, and must be restored before it can be read")
    if code in _TIMEOUTS:
        return StalledError(f"{shown} waited too long: {said}")
    if status in (401, 403):
        return AccessError(f"{shown} must not be read, or is not there: {said} to {asked}")
    if 300 <= status < 400:
        return TransferError(
            f"{shown} is elsewhere: {said} and does not name another region; "
            "look at the region and the endpoint"
        )
    # Some services send their wish for fewer requests with status 400.
    if _BUSY.fullmatch(code) and status < 500:
        status = 429
    elif code in _INTERNAL and status < 500:
        status = 503
    after = str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
    wait = float(after) if re.fullmatch(r"\d{1,9}(\.\d+)?", after) else None
    reason = code if code and not code.isdigit() else ""
    return ResponseError.of(status, reason, shown, wait)
