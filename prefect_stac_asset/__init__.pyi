"""Public names of the package, which are imported on first use."""

__version__: str

from . import blocks as blocks
from . import deployments as deployments
from . import flows as flows
from . import tasks as tasks
from .blocks import (
    BlockReference as BlockReference,
)
from .blocks import (
    EarthdataCredentials as EarthdataCredentials,
)
from .blocks import (
    HttpCredentials as HttpCredentials,
)
from .blocks import (
    OAuth2Credentials as OAuth2Credentials,
)
from .blocks import (
    PlanetaryComputerCredentials as PlanetaryComputerCredentials,
)
from .blocks import (
    S3Credentials as S3Credentials,
)
from .blocks import (
    ref as ref,
)
from .flows import (
    ApproveAbove as ApproveAbove,
)
from .flows import (
    AuditResult as AuditResult,
)
from .flows import (
    Budget as Budget,
)
from .flows import (
    CheckResult as CheckResult,
)
from .flows import (
    DownloadOptions as DownloadOptions,
)
from .flows import (
    DownloadResult as DownloadResult,
)
from .flows import (
    Mirror as Mirror,
)
from .flows import (
    Search as Search,
)
from .flows import (
    SyncResult as SyncResult,
)
from .flows import (
    VerifyResult as VerifyResult,
)
from .flows import (
    audit as audit,
)
from .flows import (
    check_assets as check_assets,
)
from .flows import (
    download_batch as download_batch,
)
from .flows import (
    download_collection as download_collection,
)
from .flows import (
    download_item as download_item,
)
from .flows import (
    download_item_collection as download_item_collection,
)
from .flows import (
    sync as sync,
)
from .flows import (
    verify as verify,
)
from .tasks import (
    check_asset_exists as check_asset_exists,
)
from .tasks import (
    check_assets_exist as check_assets_exist,
)
from .tasks import (
    download_asset as download_asset,
)
from .tasks import (
    download_assets as download_assets,
)
from .tasks import (
    plan_item as plan_item,
)
from .tasks import (
    resolve_client as resolve_client,
)
from .tasks import (
    rewrite_item as rewrite_item,
)
