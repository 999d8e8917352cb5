"""The public names of the library. They are imported on first use."""

from . import blocking as blocking
from . import validate as validate
from .api import (
    Plan as Plan,
)
from .api import (
    PlannedAsset as PlannedAsset,
)
from .api import (
    assert_asset_exists as assert_asset_exists,
)
from .api import (
    asset_exists as asset_exists,
)
from .api import (
    download_asset as download_asset,
)
from .api import (
    download_collection as download_collection,
)
from .api import (
    download_file as download_file,
)
from .api import (
    download_item as download_item,
)
from .api import (
    download_item_collection as download_item_collection,
)
from .api import (
    open_href as open_href,
)
from .api import (
    plan_collection as plan_collection,
)
from .api import (
    plan_item as plan_item,
)
from .api import (
    plan_item_collection as plan_item_collection,
)
from .api import (
    read_href as read_href,
)
from .clients import (
    AzureClient as AzureClient,
)
from .clients import (
    Client as Client,
)
from .clients import (
    EarthdataClient as EarthdataClient,
)
from .clients import (
    FilesystemClient as FilesystemClient,
)
from .clients import (
    GcsClient as GcsClient,
)
from .clients import (
    HttpClient as HttpClient,
)
from .clients import (
    PlanetaryComputerClient as PlanetaryComputerClient,
)
from .clients import (
    S3Client as S3Client,
)
from .clients import (
    get_client_classes as get_client_classes,
)
from .config import (
    Config as Config,
)
from .errors import (
    AssetOverwriteError as AssetOverwriteError,
)
from .errors import (
    CannotIncludeAndExclude as CannotIncludeAndExclude,
)
from .errors import (
    CantIncludeAndExclude as CantIncludeAndExclude,
)
from .errors import (
    ConfigError as ConfigError,
)
from .errors import (
    ContentError as ContentError,
)
from .errors import (
    ContentTypeError as ContentTypeError,
)
from .errors import (
    DownloadError as DownloadError,
)
from .errors import (
    DownloadWarning as DownloadWarning,
)
from .errors import (
    StacAssetError as StacAssetError,
)
from .errors import (
    UnsafePathError as UnsafePathError,
)
from .messages import (
    ErrorAssetDownload as ErrorAssetDownload,
)
from .messages import (
    FinishAssetDownload as FinishAssetDownload,
)
from .messages import (
    Message as Message,
)
from .messages import (
    OpenUrl as OpenUrl,
)
from .messages import (
    SkipAssetDownload as SkipAssetDownload,
)
from .messages import (
    StartAssetDownload as StartAssetDownload,
)
from .messages import (
    WriteChunk as WriteChunk,
)
from .object_store.identity import (
    AzureIdentity as AzureIdentity,
)
from .object_store.identity import (
    GcsIdentity as GcsIdentity,
)
from .strategy import (
    ErrorStrategy as ErrorStrategy,
)
from .strategy import (
    FileNameStrategy as FileNameStrategy,
)
