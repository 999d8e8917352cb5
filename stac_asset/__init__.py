"""Read and download STAC items, item collections, collections, and assets.

Start with `download_item` and the other functions. `Config` holds the options. `Client` is the base
class of all clients.

`__init__.pyi` lists the public names for type checkers. Each name is imported on first use, so that
importing the package is fast.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["blocking", "validate"],
    submod_attrs={
        "api": [
            "Plan",
            "PlannedAsset",
            "assert_asset_exists",
            "asset_exists",
            "download_asset",
            "download_collection",
            "download_file",
            "download_item",
            "download_item_collection",
            "open_href",
            "plan_collection",
            "plan_item",
            "plan_item_collection",
            "read_href",
        ],
        "clients": [
            "AzureClient",
            "Client",
            "EarthdataClient",
            "FilesystemClient",
            "GcsClient",
            "HttpClient",
            "PlanetaryComputerClient",
            "S3Client",
            "get_client_classes",
        ],
        "config": ["Config"],
        "errors": [
            "AssetOverwriteError",
            "CannotIncludeAndExclude",
            "CantIncludeAndExclude",
            "ConfigError",
            "ContentError",
            "ContentTypeError",
            "DownloadError",
            "DownloadWarning",
            "StacAssetError",
            "UnsafePathError",
        ],
        "messages": [
            "ErrorAssetDownload",
            "FinishAssetDownload",
            "Message",
            "OpenUrl",
            "SkipAssetDownload",
            "StartAssetDownload",
            "WriteChunk",
        ],
        "object_store.identity": ["AzureIdentity", "GcsIdentity"],
        "strategy": ["ErrorStrategy", "FileNameStrategy"],
    },
)
