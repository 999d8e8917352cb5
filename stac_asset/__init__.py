"""Read and download STAC items, item collections, collections, and assets.

The main entry points are free functions; `Config` says how assets are downloaded, and every
client inherits from `Client`.

A name is imported when it is first used: whoever wants one of them does not wait for all.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stac_asset.api.assets import (
        assert_asset_exists,
        asset_exists,
        download_asset,
        download_file,
        open_href,
        read_href,
    )
    from stac_asset.api.collections import (
        download_collection,
        download_item,
        download_item_collection,
        plan_collection,
        plan_item,
        plan_item_collection,
    )
    from stac_asset.api.dry_run import Plan, PlannedAsset
    from stac_asset.clients import (
        Client,
        EarthdataClient,
        FilesystemClient,
        HttpClient,
        PlanetaryComputerClient,
        S3Client,
        get_client_classes,
    )
    from stac_asset.config import Config
    from stac_asset.errors import (
        AssetOverwriteError,
        CannotIncludeAndExclude,
        CantIncludeAndExclude,
        ConfigError,
        ContentTypeError,
        DownloadError,
        DownloadWarning,
        StacAssetError,
        UnsafePathError,
    )
    from stac_asset.messages import (
        ErrorAssetDownload,
        FinishAssetDownload,
        Message,
        OpenUrl,
        SkipAssetDownload,
        StartAssetDownload,
        WriteChunk,
    )
    from stac_asset.strategy import ErrorStrategy, FileNameStrategy

__all__ = [
    "AssetOverwriteError",
    "CannotIncludeAndExclude",
    "CantIncludeAndExclude",
    "Client",
    "Config",
    "ConfigError",
    "ContentTypeError",
    "DownloadError",
    "DownloadWarning",
    "EarthdataClient",
    "ErrorAssetDownload",
    "ErrorStrategy",
    "FileNameStrategy",
    "FilesystemClient",
    "FinishAssetDownload",
    "HttpClient",
    "Message",
    "OpenUrl",
    "Plan",
    "PlanetaryComputerClient",
    "PlannedAsset",
    "S3Client",
    "SkipAssetDownload",
    "StacAssetError",
    "StartAssetDownload",
    "UnsafePathError",
    "WriteChunk",
    "assert_asset_exists",
    "asset_exists",
    "blocking",
    "download_asset",
    "download_collection",
    "download_file",
    "download_item",
    "download_item_collection",
    "get_client_classes",
    "open_href",
    "plan_collection",
    "plan_item",
    "plan_item_collection",
    "read_href",
    "validate",
]

_HOMES = {
    "stac_asset.api": (
        "download_collection",
        "download_item",
        "download_item_collection",
        "plan_collection",
        "plan_item",
        "plan_item_collection",
    ),
    "stac_asset.clients": (
        "Client",
        "EarthdataClient",
        "FilesystemClient",
        "HttpClient",
        "PlanetaryComputerClient",
        "S3Client",
        "get_client_classes",
    ),
    "stac_asset.config": ("Config",),
    "stac_asset.dry_run": (
        "Plan",
        "PlannedAsset",
    ),
    "stac_asset.errors": (
        "AssetOverwriteError",
        "CannotIncludeAndExclude",
        "CantIncludeAndExclude",
        "ConfigError",
        "ContentTypeError",
        "DownloadError",
        "DownloadWarning",
        "StacAssetError",
        "UnsafePathError",
    ),
    "stac_asset.messages": (
        "ErrorAssetDownload",
        "FinishAssetDownload",
        "Message",
        "OpenUrl",
        "SkipAssetDownload",
        "StartAssetDownload",
        "WriteChunk",
    ),
    "stac_asset.read": (
        "assert_asset_exists",
        "asset_exists",
        "download_asset",
        "download_file",
        "open_href",
        "read_href",
    ),
    "stac_asset.strategy": (
        "ErrorStrategy",
        "FileNameStrategy",
    ),
}
"""Where the public names are defined. (`blocking` and `validate` are modules.)"""

_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name in ("blocking", "validate"):
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
