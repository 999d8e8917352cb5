"""Internal: errors of input: the configuration, documents, hrefs and paths."""

from __future__ import annotations

from stac_asset.errors.base import DescribedError, StacAssetError, accepts_text
from stac_asset.redact import redact_text


class ConfigError(StacAssetError, ValueError):
    """Raised when the configuration is invalid.

    Cure: Correct the option that the text names.
    """


class CannotIncludeAndExclude(ConfigError):
    """Raised when both `include` and `exclude` are set.

    Cure: Set only one of `include` and `exclude`.
    """


CantIncludeAndExclude = CannotIncludeAndExclude
"""Documented alias of `CannotIncludeAndExclude`."""


class MissingCredentialError(ConfigError):
    """Raised when a required credential is not configured, before any request is sent.

    Cure: Set the credential that the text names, in an environment variable, a block or `Config`.
    """


class SourceError(StacAssetError, ValueError):
    """Raised when a STAC document cannot be read, or is not valid STAC.

    Cure: Check that the href leads to a STAC item, collection or item collection, and not to a
    web page or another document.
    """


class NoAssetsError(StacAssetError, ValueError):
    """Raised when an object has no assets to download.

    Cure: Compare `include` with the keys of the assets; `stac-asset info` lists them.
    """


class AssetOverwriteError(DescribedError):
    """Raised before a download if two assets or documents would be written to the same file.

    Cure: Name files by asset key (`file_name_strategy`), use a `path_template` with distinct
    paths, or exclude one of the assets.

    Args:
        hrefs: The hrefs or descriptions of the assets.
        path: The path of the file.
        advice: A sentence that tells how to avoid the error.
    """

    @accepts_text
    def __init__(
        self, hrefs: list[str], path: str | None = None, advice: str | None = None
    ) -> None:
        super().__init__(hrefs, path, advice)
        self.hrefs = hrefs
        self.path = path
        self.advice = advice or (
            "Set `file_name_strategy=FileNameStrategy.KEY`, use a `path_template` with distinct "
            "paths, or exclude one of the assets."
        )

    def _restore(self, text: str) -> None:
        self.hrefs, self.path, self.advice = [], None, ""

    def _describe(self) -> str:
        file = f"the file {self.path}" if self.path else "one file"
        assets = " and ".join(redact_text(href) for href in self.hrefs)
        return f"{assets} would share {file}. {self.advice}"


class UnsafePathError(StacAssetError, ValueError):
    """Raised when a path is outside the destination directory, or cannot name a file.

    Cure: Choose a path inside the destination, or leave out the asset that the text names.
    """


class SchemeError(StacAssetError, ValueError):
    """Raised when no client claims an href.

    Cure: Correct the scheme of the href, install the extra that the text names, or pass a client
    that claims such hrefs.
    """


class HrefError(StacAssetError, ValueError):
    """Raised when an href is missing, empty, malformed, or relative without a base.

    Cure: Correct the href in the item. For a relative href, give the path or URL of the document
    instead of its text.
    """


class LocalHrefError(StacAssetError, PermissionError):
    """Raised when an item from a remote source references a local file.

    Cure: Remove the local href from the item, or read the item from a local file.
    """


class RunningLoopError(StacAssetError, RuntimeError):
    """Raised when a blocking function is called in a running event loop.

    Cure: Await the coroutine function of the same name in `stac_asset`.
    """
