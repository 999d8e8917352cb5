"""Errors and warnings of this package.

All errors derive from `StacAssetError`. An error also derives from the standard exception in
parentheses:

    StacAssetError
    ├── ConfigError (ValueError)             the configuration is invalid
    │   ├── CannotIncludeAndExclude          `include` and `exclude` are both set
    │   └── MissingCredentialError           a required credential is not configured
    ├── SourceError (ValueError)             a document is unreadable or not valid STAC
    ├── NoAssetsError (ValueError)           an object has no assets to download
    ├── AssetOverwriteError                  two assets would be written to the same file
    ├── UnsafePathError (ValueError)         a path is outside the directory, or is invalid
    ├── SchemeError (ValueError)             no client claims the href
    ├── HrefError (ValueError)               an href is missing, malformed or cannot be resolved
    ├── LocalHrefError (PermissionError)     a remote item references a local file
    ├── TransferError                        the download of an asset failed
    │   ├── ResponseError (aiohttp.ClientResponseError)
    │   │   ├── ResponseNotFoundError        (NotFoundError) status 404 or 410
    │   │   └── ResponseForbiddenError       (AccessError) status 401, 403 or 407
    │   ├── NotFoundError (FileNotFoundError)
    │   ├── AccessError (PermissionError)    the source denies access
    │   │   ├── LoginPageError               a login page instead of the file
    │   │   ├── TokenError                   a token endpoint issued no token
    │   │   └── CredentialError              named credentials were rejected
    │   ├── ConnectionFailedError (ConnectionError)
    │   ├── StalledError (TimeoutError)      a timeout expired
    │   ├── RateLimitError                   a host asks for a very long wait
    │   ├── TruncatedError                   fewer bytes than announced
    │   ├── RangeError                       other bytes than requested or announced
    │   ├── SizeError                        the size differs from `file:size`
    │   ├── ChecksumError                    the digest differs from `file:checksum`
    │   ├── ContentError                     a web page, an error message, a directory or no bytes
    │   ├── DestinationError (OSError)       the file cannot be written: full disk, permissions
    │   └── UnexpectedError                  a client raised an undocumented error
    ├── RunningLoopError (RuntimeError)      a blocking function was called in an event loop
    ├── ContentTypeError                     the content type differs from the asset's media type
    ├── VerifyError                          files of a directory are missing or damaged
    ├── AuditError                           a mirror differs from its source
    └── DownloadError                        all failures of a run

`DownloadWarning` is a warning, not an error. Messages never contain the query of an href.
"""

from typing import TYPE_CHECKING, Any

from stac_asset.errors.base import (
    DescribedError,
    StacAssetError,
    accepts_text,
)
from stac_asset.errors.input import (
    AssetOverwriteError,
    CannotIncludeAndExclude,
    CantIncludeAndExclude,
    ConfigError,
    HrefError,
    LocalHrefError,
    MissingCredentialError,
    NoAssetsError,
    RunningLoopError,
    SchemeError,
    SourceError,
    UnsafePathError,
)
from stac_asset.errors.summary import (
    AuditError,
    DownloadError,
    DownloadWarning,
    VerifyError,
)
from stac_asset.errors.transfer import (
    AccessError,
    ChecksumError,
    ConnectionFailedError,
    ContentError,
    ContentTypeError,
    CredentialError,
    DestinationError,
    LoginPageError,
    NotFoundError,
    RangeError,
    RateLimitError,
    SizeError,
    StalledError,
    TokenError,
    TransferError,
    TruncatedError,
    UnexpectedError,
)

if TYPE_CHECKING:
    from stac_asset.errors.response import (
        ResponseError,
        ResponseForbiddenError,
        ResponseNotFoundError,
    )

__all__ = [
    "AccessError",
    "AssetOverwriteError",
    "AuditError",
    "CannotIncludeAndExclude",
    "CantIncludeAndExclude",
    "ChecksumError",
    "ConfigError",
    "ConnectionFailedError",
    "ContentError",
    "ContentTypeError",
    "CredentialError",
    "DescribedError",
    "DestinationError",
    "DownloadError",
    "DownloadWarning",
    "HrefError",
    "LocalHrefError",
    "LoginPageError",
    "MissingCredentialError",
    "NoAssetsError",
    "NotFoundError",
    "RangeError",
    "RateLimitError",
    "ResponseError",
    "ResponseForbiddenError",
    "ResponseNotFoundError",
    "RunningLoopError",
    "SchemeError",
    "SizeError",
    "SourceError",
    "StacAssetError",
    "StalledError",
    "TokenError",
    "TransferError",
    "TruncatedError",
    "UnexpectedError",
    "UnsafePathError",
    "VerifyError",
    "accepts_text",
]

_RESPONSE_ERRORS = ("ResponseError", "ResponseForbiddenError", "ResponseNotFoundError")
"""Errors that are imported on first use. Importing aiohttp takes a tenth of a second."""

if not TYPE_CHECKING:  # Type checkers know the imports above.

    def __getattr__(name: str) -> Any:
        if name not in _RESPONSE_ERRORS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from stac_asset.errors import response

        globals().update({one: getattr(response, one) for one in _RESPONSE_ERRORS})
        return globals()[name]
